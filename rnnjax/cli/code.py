"""Messages and actions of the commands if results and the present code do not match."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError, one_line
from rnnjax.lazy import xr
from rnnjax.sweep import files
from rnnjax.sweep.experiment import Experiment, find, load
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.fingerprint import code_of
from rnnjax.sweep.library import library_code
from rnnjax.sweep.reuse import Earlier
from rnnjax.sweep.same_code import (
    CELLS,
    LIBRARY,
    UNKNOWN,
    changed,
    code_record,
    code_record_of_cube,
    known,
    refuse_other_code,
)
from rnnjax.sweep.same_sweep import is_same_sweep
from rnnjax.sweep.sources import read_sources
from rnnjax.sweep.store import Store
from rnnjax.sweep.whereabouts import located, whereabouts


def experiment_of(cube: xr.Dataset, out: Path, file: str | None = None) -> Experiment:
    """The experiment of a cube in a folder; prints a line if other code computed the cells.

    Args:
        cube: the cube.
        out: the folder.
        file: the experiment's name or file, where it is not to be looked for.
    """
    name = str(cube.attrs.get("experiment", ""))
    experiment = _loaded(name, out, _spec_of(name, out), file)
    code, record = experiment.code, code_record_of_cube(out)
    if known([cube.attrs.get(CELLS)]) - {code.cells}:
        _say(
            f"{out}: its cells were computed by other code: {changed(record, code.record)} changed"
        )
    return experiment


def experiment_in(store: Store, file: str | None = None) -> Experiment:
    """The experiment of a store, with its present code; `file` as for `experiment_of`."""
    return _loaded(store.spec["experiment"], store.out, store.spec, file)


def is_current(cube: xr.Dataset, out: Path, spec: Mapping[str, Any], *, again: bool) -> bool:
    """Whether a cube without its store is the result of a sweep, and need not be computed.

    Raises:
        ConfigError: other code has computed it, and `again` is False.
    """
    if not is_of_sweep(cube, spec):
        return False
    cells, here = known([cube.attrs.get(CELLS)]), code_record(spec)
    if again:
        now = {CELLS: here["cells"], LIBRARY: library_code()}
        return now.items() <= cube.attrs.items()
    refuse_other_code(out, cells, code_record_of_cube(out), here)
    if not cells:
        _say(f"note: {out} does not tell the code it was computed with; --force computes it again")
    return True


def is_of_sweep(cube: xr.Dataset, spec: Mapping[str, Any]) -> bool:
    """Whether a cube has the config of a sweep."""
    there = {key: str(cube.attrs.get(key)) for key in ("experiment", "config_hash")}
    code = {"cells": str(cube.attrs.get(CELLS)), "definitions": {}}
    return is_same_sweep({**there, "code": code}, spec)


def discard_other(store: Store, experiment: Experiment) -> None:
    """Discard the groups not computed by the present code of the experiment and of rnnjax."""
    now = {CELLS: experiment.code.cells, LIBRARY: library_code()}
    for group, receipt in store.receipts().items():
        if not now.items() <= receipt.items():
            store.discard(group)


def remember_place(store: Store, experiment: Experiment) -> Store:
    """The store, with the experiment's path updated if the recorded file no longer exists."""
    place = whereabouts(experiment.path, store.out)
    there = store.spec.get("file")
    if isinstance(there, Mapping) and Path(str(there.get("absolute"))).is_file():
        return store
    files.commit_over(
        store.out / "sweep.json", files.seal({**store.spec, **place}), store.out / "tmp"
    )
    return Store.open(store.out)


def tell_mixture(store: Store, experiment: Experiment) -> None:
    """Print a line if existing cells were computed by code other than the present code."""
    _tell_others(store.out, experiment, store.receipts().values())


def tell_reuse(spec: Mapping[str, Any], experiment: Experiment, earlier: Earlier) -> None:
    """Print a line if reused cells were computed by code other than the present code."""
    for out, cube in zip(spec["reuse"], earlier.cubes, strict=True):
        _tell_others(Path(out), experiment, [cube.attrs])


def tell_mixed(cube: xr.Dataset, out: Path) -> None:
    """Print a line if the cells of a cube were not all computed by the same code."""
    for key, whose in ((CELLS, "the experiment"), (LIBRARY, "rnnjax itself")):
        if " | " in str(cube.attrs.get(key)):
            _say(f"note: {out} has cells by different code of {whose}; {key} in the cube tells it")


def code_now(store: Store) -> str:
    """The text of `rnnjax status` about the code of a store; none of that code is run."""
    record, there = code_record(store.spec), store.cells_codes()
    text = " | ".join(sorted(there)) or UNKNOWN
    try:
        path = located(store.spec["experiment"], store.out, store.spec)
        code = code_of(read_sources(path))
    except (ConfigError, StoreError):
        return f"{text}; the experiment is not found now"
    return f"{text}; {changed(record, code.record)} changed since" if there - {code.cells} else text


def refuse_own_code(path: Path, out: Path) -> None:
    """Raise ConfigError if a result names a file in its own folder as its experiment.

    A folder of results may come from somebody else: inspecting it must not run code it contains.
    """
    if path.resolve().is_relative_to(out.resolve()):
        raise ConfigError("experiment", f"expected an experiment outside {out}, got {str(path)!r}")


def _loaded(name: str, out: Path, spec: Mapping[str, Any], file: str | None) -> Experiment:
    path = located(name, out, spec) if file is None else find(file)
    refuse_own_code(path, out)
    return load(name, path)


def _spec_of(name: str, out: Path) -> dict[str, Any]:
    """The spec of the store in a folder; empty if there is none of this experiment."""
    try:
        spec = files.read_sealed(out / "sweep.json")
    except StoreError:
        return {}
    return spec if spec.get("experiment") == name else {}


def _tell_others(out: Path, experiment: Experiment, records: Iterable[Mapping[str, Any]]) -> None:
    codes = {key: {str(one.get(key, UNKNOWN)) for one in records} for key in (CELLS, LIBRARY)}
    if codes[CELLS] - {experiment.code.cells}:
        _say(f"note: {out} has cells of unknown code of the experiment; the cube will tell")
    if codes[LIBRARY] - {library_code()}:
        _say(f"note: {out} has cells by other code of rnnjax itself; the cube will tell both")


def _say(line: str) -> None:
    print(f"rnnjax: {one_line(line, 400)}", file=sys.stderr)
