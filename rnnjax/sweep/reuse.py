"""Cells that earlier sweeps of the same experiment have computed, for a sweep that has them too.

Where an axis is extended, the cells of the old values are copied and the new ones computed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError
from rnnjax.lazy import xr
from rnnjax.sweep.cube import read_cube
from rnnjax.sweep.differences import differences, in_one_line
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.json_values import as_tuples
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.provenance import KEYS
from rnnjax.sweep.same_code import CELLS, UNKNOWN, changed, code_record, code_record_of_cube, known
from rnnjax.sweep.status import Status, status_name

# What may differ. The chunk changes the last bits of what is computed together with others, and
# cells that are taken over keep the bits they have.
_FREE = ("axes", "chunk", "chunks_a_shard")
_LOST = (Status.MISSING, Status.FAILED)


class Earlier:
    """The cubes of earlier sweeps.

    Args:
        plan: the plan of the sweep that may use their cells.
        spec: the spec of that sweep; "reuse" has the folders of the earlier ones, and
            "reuse_unknown" says whether cells of unknown code may be taken.

    Raises:
        ConfigError: one of them is not a sweep of the same experiment and config.
        StoreError: a cube is missing or damaged.
    """

    def __init__(self, plan: Plan, spec: Mapping[str, Any]) -> None:
        self.plan = plan
        self.cubes = [read_cube(out) for out in spec.get("reuse", ())]
        for out, cube in zip(spec.get("reuse", ()), self.cubes, strict=True):
            _check(Path(out), cube, plan, spec)
            _check_code(Path(out), cube, spec)

    def known(self, group: Group) -> np.ndarray:
        """Which lanes of a group some earlier sweep has, bool (n_lanes,)."""
        known = np.zeros(group.n_lanes, bool)
        for cube in self.cubes:
            known |= self._index(cube, group)[0]
        return known

    def fill(self, group: Group, values: dict[str, np.ndarray]) -> None:
        """Copy what is known of a group into its values, each (n_lanes, inner dims).

        Arrays that are not there yet are made.
        """
        for cube in reversed(self.cubes):  # of two that have a cell the first one is taken
            known, at = self._index(cube, group)
            for name, variable in self.plan.variables.items():
                source = cube[name].transpose(*self.plan.axes, *variable.dims).values
                shape = (group.n_lanes, *self.plan.inner_shape(name))
                target = values.setdefault(name, np.empty(shape, source.dtype))
                target[known] = source[at][known]

    def attributes(self, group: Group) -> list[dict[str, str]]:
        """The provenance of every sweep that has a part of a group."""
        return [
            {key: str(cube.attrs.get(key, UNKNOWN)) for key in KEYS}
            for cube in self.cubes
            if self._index(cube, group)[0].any()
        ]

    def _index(self, cube: xr.Dataset, group: Group) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Which lanes a cube has, and where on each of its axes (0 for those it has not)."""
        mine = self.plan.places(group)
        known, at = np.ones(group.n_lanes, bool), []
        for axis in self.plan.config.axes:
            places = {point: i for i, point in enumerate(_points(cube, axis.name))}
            there = [places.get(_point(axis.at(i)), -1) for i in range(len(axis))]
            found = np.array(there)[mine[axis.name]]
            known &= found >= 0
            at.append(np.maximum(found, 0))
        for name in self.plan.variables:
            status = cube[status_name(name)].transpose(*self.plan.axes, ...).values[tuple(at)]
            known &= ~np.isin(status.reshape(len(known), -1), _LOST).any(axis=1)
        return known, tuple(at)


def _points(cube: xr.Dataset, axis: str) -> list[Any]:
    """The points of an axis of a cube by the values of its fields, which labels may shorten.

    Raises:
        StoreError: the config of the cube has other points.
    """
    values = json.loads(str(cube.attrs["config"])).get("axes", {}).get(axis, [])
    fields = values if isinstance(values, dict) else {axis: values}
    rows = zip(*fields.values(), strict=True)
    points = [_point(dict(zip(fields, row, strict=True))) for row in rows]
    if len(points) != cube.sizes[axis]:
        raise StoreError(
            f"the cube has {cube.sizes[axis]} places on {axis}, its config {len(points)}"
        )
    return points


def _point(values: Mapping[str, Any]) -> Any:
    return tuple((name, as_tuples(values[name])) for name in sorted(values))


def _check(out: Path, cube: xr.Dataset, plan: Plan, spec: Mapping[str, Any]) -> None:
    theirs, mine = (
        {key: value for key, value in config.items() if key not in _FREE}
        for config in (json.loads(str(cube.attrs.get("config", "{}"))), spec["config"])
    )
    # The path of a file does not matter where its code is the same.
    same = cube.attrs.get(CELLS) == code_record(spec).get("cells", ...)
    found = [
        f"{key}: {cube.attrs.get(key)} there, {spec[key]} here"
        for key in (("precision",) if same else ("experiment", "precision"))
        if cube.attrs.get(key) != spec[key]
    ] + differences(theirs, mine)
    names = {*plan.axes, *plan.variables}
    found += [f"{name}: not there" for name in names if name not in cube.variables]
    for name, values in plan.coordinates.items():
        if not (name in cube.coords and np.array_equal(cube[name], values)):
            found.append(f"{name}: other values there")
    if found:
        raise ConfigError("reuse", f"expected the same sweep but for its axes in {out}, but "
                          + in_one_line(found))  # fmt: skip


def _check_code(out: Path, cube: xr.Dataset, spec: Mapping[str, Any]) -> None:
    """Refuse cells of other code, and those of unknown code unless they are asked for."""
    here, codes = code_record(spec), str(cube.attrs.get(CELLS, UNKNOWN)).split(" | ")
    if not here:
        return
    if known(codes) - {here.get("cells")}:
        names = changed(code_record_of_cube(out), here)
        raise ConfigError("reuse", f"expected cells of the code that is there now in {out}, but "
                          f"{names} changed; run without --reuse {out}")  # fmt: skip
    if not known(codes) >= {*codes} and not spec.get("reuse_unknown"):
        raise ConfigError("reuse", f"expected a cube that tells the code it was computed with, but "
                          f"{out} does not; --force takes its cells all the same")  # fmt: skip
