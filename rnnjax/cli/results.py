"""The commands that show results: list, export, figure, check, papers. None needs jax."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from rnnjax import catalog
from rnnjax.claims import Claim, claims_table, write_claims
from rnnjax.claims.papers import Reproduced, papers_page
from rnnjax.cli import streams
from rnnjax.cli.code import experiment_of
from rnnjax.cli.drawing import complain, draw
from rnnjax.cli.states import result, values_in
from rnnjax.cli.text import hanging, width
from rnnjax.errors import printable
from rnnjax.lazy import xr
from rnnjax.sweep.backend import cores
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.export import export
from rnnjax.sweep.same_code import CELLS, LIBRARY, UNKNOWN
from rnnjax.sweep.slices import slices

if TYPE_CHECKING:
    from rnnjax.figures.style import Width


def list_experiments() -> int:
    """Print every experiment with its question."""
    files = catalog.experiment_files()
    indent = max(map(len, files), default=0) + 2
    for name, path in files.items():
        print(hanging(name, catalog.question(path), indent))
    return 0


def export_cube(out: Path, target: Path) -> int:
    """Write a cube in the format of another program."""
    for path in export(read_cube(result(out)), target):
        print(f"export  {printable(path)}")
    return 0


def redraw(out: Path, file: str | None = None, *, pdf: bool = False, width: Width = "page") -> int:
    """Draw the figure of a cube again, by its own experiment or by that in `file`."""
    cube = read_cube(result(out))
    return draw(experiment_of(cube, out, file), cube, out, pdf=pdf, width=width)


def redraw_all(
    outs: list[Path], file: str | None = None, *, pdf: bool = False, width: Width = "page"
) -> int:
    """Draw the figures of many cubes again, a process a core; return the worst exit status."""
    for out in outs:
        result(out)
    with _a_process_a_core(outs) as pool:
        return max(pool.map(partial(redraw, file=file, pdf=pdf, width=width), outs))


def _a_process_a_core(outs: list[Path]) -> ProcessPoolExecutor:
    # Fresh processes and not forks: threads that matplotlib or HDF5 may hold are not copied.
    return ProcessPoolExecutor(min(cores(), len(outs)), get_context("spawn"), _started)


def _started() -> None:
    """Prepare a process of the pool; Ctrl-C is for the process that started it."""
    streams.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def check(out: Path, file: str | None = None) -> int:
    """Print the claims of a cube, by its own experiment or by that in `file`; 1 if one fails."""
    cube = read_cube(result(out))
    print(printable(out))
    return _check(experiment_of(cube, out, file), cube, out, write=False)


def check_all(outs: list[Path], file: str | None = None) -> int:
    """Print the claims of many cubes, a process a core; return the worst exit status."""
    worst = 0
    for out in outs:
        result(out)
    with _a_process_a_core(outs) as pool:
        for status, output in pool.map(partial(_check_quietly, file=file), outs):
            print(output, end="")
            worst = max(worst, status)
    return worst


def _check_quietly(out: Path, file: str | None) -> tuple[int, str]:
    output = StringIO()
    with redirect_stdout(output):
        status = check(out, file)
    return status, output.getvalue()


def papers(outs: list[Path]) -> int:
    """Print the table of published figures, made from the claims of cubes that reproduce them."""
    found, status = [], 0
    for out in outs:
        cube = read_cube(result(out))
        experiment = experiment_of(cube, out)
        run_time = catalog.described(experiment.path).get("Run time", "")
        try:
            claims = _claims(experiment, cube)
        except Exception as error:
            claims, status = [], complain("claims", experiment, error)
        found += [Reproduced(claim, out.name, run_time) for claim in claims if claim.reproduces]
    print(papers_page(found), end="")
    return status


def present(experiment: Experiment, cube: xr.Dataset, out: Path, *, pdf: bool) -> int:
    """Draw the figure and the claims of a sweep that has ended; 1 where one of them failed."""
    print(f"cube    {printable(out / 'cube.nc')}  ({values_in(cube)})")
    return max(draw(experiment, cube, out, pdf=pdf), _check(experiment, cube, out, write=True))


def _answers(experiment: Experiment, cube: xr.Dataset) -> list[str]:
    """What the figures of a cube show, in sentences."""
    said = [
        (part, experiment.answered(values)) for part, values in slices(cube, experiment.setting)
    ]
    return [f"{part}: {answer}" if part else answer for part, answer in said if answer]


def _claims(experiment: Experiment, cube: xr.Dataset) -> list[Claim]:
    """The claims of a cube; those of its parts where it has more axes than usual."""
    if experiment.claims is None:
        return []
    found: list[Claim] = []
    for part, values in slices(cube, experiment.setting):
        claims = experiment.claims(values)
        found += [replace(c, name=f"{c.name} ({part})") for c in claims] if part else claims
    return found


def _check(experiment: Experiment, cube: xr.Dataset, out: Path, *, write: bool) -> int:
    """Print the answers and the claims; with `write` after `draw`, which told what failed."""
    status = 0
    try:
        answers = _answers(experiment, cube)
    except Exception as error:
        answers, status = [], 1 if write else complain("answer", experiment, error)
    try:
        claims = _claims(experiment, cube)
        table = claims_table(claims, width())
        if write:
            made = {"claims": experiment.code.shown}
            made |= {key: str(cube.attrs.get(key, UNKNOWN)) for key in (CELLS, LIBRARY)}
            write_claims(out / "claims.json", claims, made)
    except Exception as error:
        return complain("claims", experiment, error)
    if write:
        print(f"claims  {printable(out / 'claims.json')}")
    for answer in answers:
        print(f"\n{hanging('answer', answer, len('answer  '))}")
    print(f"\n{table}")
    return status if all(claim.passed for claim in claims) else 1
