"""The commands status and verify: how far a sweep is, what failed, whether its files are sound."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

from rnnjax.cli.code import code_now
from rnnjax.cli.planning import duration
from rnnjax.errors import one_line, printable, shell_word
from rnnjax.lazy import np, xr
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.presence import is_at_work
from rnnjax.sweep.status import meanings_in
from rnnjax.sweep.store import Store
from rnnjax.sweep.verify import notes_in, problems_in

ROWS = 40  # of the table of failures
_FEW = 8  # folders that a message names


def result(out: Path) -> Path:
    """The folder, or the file of a cube, that a command is to look at.

    Raises:
        StoreError: it is not there, or it is a folder that holds no sweep and no cube; the message
            names those that are in it.
    """
    expected = (
        f"{one_line(str(out), 200)}: expected the folder of a sweep, with sweep.json or cube.nc"
    )
    if not out.exists():
        raise StoreError(f"{expected}; there is nothing of that name (No such file or directory)")
    if not out.is_dir() or _is_result(out):
        return out
    inside = [shell_word(one) for one in sorted(out.iterdir()) if _is_result(one)]
    if not inside:
        raise StoreError(f"{expected}; it has neither")
    more = f" and {len(inside) - _FEW} more" if len(inside) > _FEW else ""
    raise StoreError(f"{expected}; it has neither, but there is {' '.join(inside[:_FEW])}{more}")


def _is_result(folder: Path) -> bool:
    return (folder / "sweep.json").exists() or (folder / "cube.nc").exists()


def show_status(out: Path) -> int:
    """Print what of a sweep is done, missing and failed, its bytes, and how long the rest takes."""
    if not (result(out) / "sweep.json").exists():
        print(f"{printable(out)}: a cube without its sweep; {values_in(read_cube(out))}")
        return 0
    store = Store.open(out)
    counts, receipts = store.counts(), store.receipts()
    cells = {group: place.n_lanes for group, place in store.groups.items()}
    done = sum(cells[group] for group in receipts)
    message = ", ".join(f"{number} {name}" for name, number in counts.items())
    print(f"""\
sweep    {printable(out)}: {printable(store.spec["experiment"])}
groups   {message}
cells    {sum(cells.values())} total, {done} committed
bytes    {store.n_bytes()} in groups/
code     {code_now(store)}""")
    if receipts and counts["total"] > counts["committed"]:
        seconds = sum(float(receipt.get("seconds", 0)) for receipt in receipts.values())
        rest = seconds / done * (sum(cells.values()) - done)
        print(
            f"left     about {duration(rest)} of a worker, at {seconds / done:.3g} s a cell so far"
        )
    if is_at_work(store.out):
        print("now      a process is at work here")
    tell_failures(store, sys.stdout)
    return 0


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
    out = printable(store.out)
    print(f"failed (see {out}/failed and {out}/groups):", file=stream)
    for what, why in rows[:ROWS]:
        print(f"  {what:{width}}  {why}".rstrip(), file=stream)
    if len(rows) > ROWS:
        print(f"  ... and {len(rows) - ROWS} more", file=stream)
    return True


def verify(out: Path) -> int:
    """Check every file of a sweep, or a cube that stands alone; 3 where something is wrong."""
    if not (result(out) / "sweep.json").exists():
        read_cube(out)
        print(f"{printable(out)}: the cube is sound")
        return 0
    store = Store.open(out)
    problems = problems_in(store)
    for problem in problems:
        print(f"{printable(problem.path)}: {one_line(problem.what, 300)}")
    for note in notes_in(store):
        print(f"{printable(note.path)}: {one_line(note.what, 300)} (harmless)")
    if problems:
        print(f"rnnjax: {len(problems)} problems; rnnjax resume {shell_word(out)}", file=sys.stderr)
        return 3
    print(f"{printable(out)}: sound, {store.counts()['committed']} groups")
    return 0


def values_in(cube: xr.Dataset) -> str:
    """How many values have each status."""
    counts: dict[str, int] = {}
    for name, meanings in meanings_in(cube).items():
        for code, number in zip(*np.unique(cube[name], return_counts=True), strict=True):
            word = meanings.get(int(code), "unknown")
            counts[word] = counts.get(word, 0) + int(number)
    return "values: " + ", ".join(f"{number} {word}" for word, number in counts.items())
