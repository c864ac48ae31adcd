"""What is wrong with a store: files that are damaged, lost or foreign, and what was left over."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnnjax.sweep import files, netcdf
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.same_code import CELLS, known
from rnnjax.sweep.store import FAILURE, RECEIPT, SHARD, Store


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file, and the group to discard to cure it (None: that is no cure)."""

    path: Path
    what: str
    group: str | None = None


def problems_in(store: Store) -> list[Problem]:
    """Everything that is damaged, lost or foreign; empty for a sound store, done or not."""
    found = _fault(store.out / "sweep.json", lambda: Store.open(store.out))
    for group in store.groups:
        found += _group_problems(store, group)
    own = {kind.format(g) for kind in (SHARD, RECEIPT, FAILURE) for g in store.groups}
    for name in sorted((store.names_in("groups") | store.names_in("failed")) - own):
        found.append(Problem(store.out / name, "no part of the sweep"))
    return found + _cube_problems(store)


def notes_in(store: Store) -> list[Problem]:
    """What killed runs left in tmp: harmless, and safe to delete while nothing runs."""
    names = sorted(store.names_in("tmp"))
    return [Problem(store.out / name, "left behind by a killed run") for name in names]


def _group_problems(store: Store, group: str) -> list[Problem]:
    shard, receipt = store.path_of(SHARD, group), store.path_of(RECEIPT, group)
    failure, found = store.path_of(FAILURE, group), []
    if os.path.lexists(failure):
        found += _fault(failure, lambda: store.sealed(failure, group), group)
    if os.path.lexists(receipt):
        damaged = _fault(receipt, lambda: store.sealed(receipt, group), group)
        return found + (damaged or _fault(shard, lambda: store.load(group), group))
    if os.path.lexists(shard):  # what a crash before the receipt leaves, if it is readable
        found += _fault(shard, lambda: _check_code(store, shard), group)
    return found


def _check_code(store: Store, shard: Path) -> None:
    """Raise StoreError if a shard cannot be read, or other code than the sweep's computed it."""
    record = netcdf.decode(files.read_bytes(shard), shard).attrs
    if known([record.get(CELLS)]) - store.cells_codes():
        raise StoreError(f"{shard}: was computed by other code than the sweep")


def _cube_problems(store: Store) -> list[Problem]:
    cube, receipt = store.out / "cube.nc", store.out / "cube.json"
    if not os.path.lexists(receipt):
        alone = os.path.lexists(cube)
        return [Problem(receipt, "missing, though there is a cube.nc")] if alone else []
    if damaged := _fault(receipt, lambda: store.sealed(receipt, None)):
        return damaged
    record = store.sealed(receipt, None)
    if record.get("replaces", "one") is None and not os.path.lexists(cube):
        return []  # what a crash leaves before the first cube is in its place
    used = {g: store.path_of(RECEIPT, g) for g in record["groups"]}
    lost = [(path, group) for group, path in used.items() if not os.path.lexists(path)]
    return _fault(cube, lambda: read_cube(cube)) + [
        Problem(path, "lost: the cube was made with it", group) for path, group in lost
    ]


def _fault(path: Path, check: Callable[[], object], group: str | None = None) -> list[Problem]:
    """The StoreError that `check` raises, as a problem with `path`."""
    try:
        check()
    except StoreError as error:
        return [Problem(path, str(error).removeprefix(f"{path}: "), group)]
    return []
