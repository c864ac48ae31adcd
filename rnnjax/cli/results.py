"""The commands that look at what is there: list, status, verify, export, figure, check, papers.

None needs jax.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rnnjax import catalog
from rnnjax.cli.code import code_now, experiment_of
from rnnjax.errors import one_line
from rnnjax.sweep.backend import cores
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.experiment import Experiment, line_in
from rnnjax.sweep.export import export
from rnnjax.sweep.same_code import CELLS, LIBRARY, UNKNOWN
from rnnjax.sweep.status import meanings_in
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import notes_in, problems_in

if TYPE_CHECKING:
    import xarray as xr


ROWS = 40  # of the table of failures


def list_experiments() -> int:
    """Print every experiment with its question."""
    files = catalog.experiment_files()
    width = max(map(len, files), default=0)
    for name, path in files.items():
        print(f"{name:{width}}  {catalog.question(path)}")
    return 0


def show_status(out: Path) -> int:
    """Print what of a sweep is done, missing and failed, its bytes, and how long the rest takes."""
    if not (out / "sweep.json").exists():
        print(f"{out}: a cube without its sweep; {_cells(read_cube(out))}")
        return 0
    store = Store.open(out)
    counts, receipts = store.counts(), store.receipts()
    cells = {group: place.n_lanes for group, place in store.groups.items()}
    done = sum(cells[group] for group in receipts)
    told = ", ".join(f"{number} {name}" for name, number in counts.items())
    print(f"""\
sweep    {out}: {store.spec["experiment"]}
groups   {told}
cells    {sum(cells.values())} total, {done} committed
bytes    {store.n_bytes()} in groups/
code     {code_now(store)}""")
    if receipts and counts["total"] > counts["committed"]:
        seconds = sum(float(receipt.get("seconds", 0)) for receipt in receipts.values())
        rest = seconds / done * (sum(cells.values()) - done)
        print(
            f"left     about {_duration(rest)} of a worker, at {seconds / done:.3g} s a cell so far"
        )
    tell_failures(store, sys.stdout)
    return 0


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60:02} min" if hours else f"{rest // 60} min {rest % 60:02} s"


def tell_failures(store: Store, stream: TextIO) -> bool:
    """Print a table of what failed, if anything: groups whose program raised, and single cells."""
    rows = [
        (f"{group} ({store.groups[group].n_lanes} cells)", error.partition("\n")[0])
        for group, error in store.failed().items()
    ]
    for group, receipt in store.receipts().items():
        failed = receipt.get("failed_cells", {"number": 0, "examples": []})
        for one in failed["examples"]:
            labels = " ".join(f"{name}={value}" for name, value in one["cell"].items())
            rows.append((labels, one["reason"]))
        if failed["number"] > len(failed["examples"]):
            rows.append((f"{group}: {failed['number'] - len(failed['examples'])} more cells", ""))
    if not rows:
        return False
    rows = [(one_line(what, 120), one_line(why, 200)) for what, why in rows]
    width = max(len(what) for what, _ in rows)
    print(f"failed (see {store.out}/failed and {store.out}/groups):", file=stream)
    for what, why in rows[:ROWS]:
        print(f"  {what:{width}}  {why}".rstrip(), file=stream)
    if len(rows) > ROWS:
        print(f"  ... and {len(rows) - ROWS} more", file=stream)
    return True


def verify(out: Path) -> int:
    """Check every file of a sweep, or a cube that stands alone; 3 where something is wrong."""
    if not (out / "sweep.json").exists():
        read_cube(out)
        print(f"{out}: the cube is sound")
        return 0
    store = Store.open(out)
    problems = problems_in(store)
    for problem in problems:
        print(f"{problem.path}: {one_line(problem.what, 300)}")
    for note in notes_in(store):
        print(f"{note.path}: {one_line(note.what, 300)} (harmless)")
    if problems:
        print(f"rnnjax: {len(problems)} problems; rnnjax resume {out}", file=sys.stderr)
        return 3
    print(f"{out}: sound, {store.counts()['committed']} groups")
    return 0


def export_cube(out: Path, target: Path) -> int:
    """Write a cube in the format of another program."""
    for path in export(read_cube(out), target):
        print(f"export  {path}")
    return 0


def redraw(out: Path) -> int:
    """Draw the figure of a cube again."""
    cube = read_cube(out)
    return _draw(experiment_of(cube, out), cube, out)


def redraw_all(outs: list[Path]) -> int:
    """Draw the figures of many cubes again, a process a core; return the worst exit status."""
    with _a_process_a_core(outs) as pool:
        return max(pool.map(redraw, outs))


def _a_process_a_core(outs: list[Path]) -> ProcessPoolExecutor:
    # Fresh processes and not forks: threads that matplotlib or HDF5 may hold are not copied.
    return ProcessPoolExecutor(min(cores(), len(outs)), get_context("spawn"))


def check(out: Path) -> int:
    """Print the claims of a cube; 1 where one fails."""
    cube = read_cube(out)
    print(out)
    return _check(experiment_of(cube, out), cube, out, write=False)


def check_all(outs: list[Path]) -> int:
    """Print the claims of many cubes, a process a core; return the worst exit status."""
    worst = 0
    with _a_process_a_core(outs) as pool:
        for status, told in pool.map(_check_quietly, outs):
            print(told, end="")
            worst = max(worst, status)
    return worst


def _check_quietly(out: Path) -> tuple[int, str]:
    told = StringIO()
    with redirect_stdout(told):
        status = check(out)
    return status, told.getvalue()


def papers(outs: list[Path]) -> int:
    """Print the table of published figures, made from the claims of cubes that reproduce them."""
    from rnnjax.figures.papers import Reproduced, papers_page

    found = []
    for out in outs:
        cube = read_cube(out)
        experiment = experiment_of(cube, out)
        run_time = catalog.described(experiment.path).get("Run time", "")
        for claim in experiment.claims(cube):
            for start, paper in experiment.reproduces.items():
                if claim.name.startswith(start):
                    found.append(Reproduced(paper, claim, out.name, run_time))
    print(papers_page(found), end="")
    return 0


def present(experiment: Experiment, cube: xr.Dataset, out: Path) -> int:
    """Draw the figure and the claims of a sweep that has ended; 1 where one of them failed."""
    print(f"cube    {out / 'cube.nc'}  ({_cells(cube)})")
    return max(_draw(experiment, cube, out), _check(experiment, cube, out, write=True))


def _draw(experiment: Experiment, cube: xr.Dataset, out: Path) -> int:
    from rnnjax.figures import save_figure, styled

    try:
        with styled():
            figure = experiment.figure(cube)
        for path in save_figure(figure, out):
            print(f"figure  {path}")
    except Exception as error:
        return _complain("figure", experiment, error)
    return 0


def _check(experiment: Experiment, cube: xr.Dataset, out: Path, *, write: bool) -> int:
    from rnnjax.figures import claims_table, write_claims

    try:
        claims = experiment.claims(cube)
        if write:
            made = {"claims": experiment.code.shown}
            made |= {key: str(cube.attrs.get(key, UNKNOWN)) for key in (CELLS, LIBRARY)}
            write_claims(out / "claims.json", claims, made)
            print(f"claims  {out / 'claims.json'}")
        print(f"\n{claims_table(claims)}")
        return 0 if all(claim.passed for claim in claims) else 1
    except Exception as error:
        return _complain("claims", experiment, error)


def _complain(what: str, experiment: Experiment, error: Exception) -> int:
    told = f"{experiment.path}{line_in(experiment.path, error)}: {type(error).__name__}: {error}"
    print(f"rnnjax: {what}: {one_line(told, 400)}", file=sys.stderr)
    return 1


def _cells(cube: xr.Dataset) -> str:
    """How many values have each status."""
    import numpy as np

    counts: dict[str, int] = {}
    for name, meanings in meanings_in(cube).items():
        for code, number in zip(*np.unique(cube[name], return_counts=True), strict=True):
            word = meanings.get(int(code), "unknown")
            counts[word] = counts.get(word, 0) + int(number)
    return "values: " + ", ".join(f"{number} {word}" for word, number in counts.items())
