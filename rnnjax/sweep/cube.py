"""The cube of a sweep: assembled from the shards of its groups, and kept as cube.nc.

Its dims are the axes and then the inner dims. A shard holds a run of lanes of one combination of
the static axes, over the dim ``lane``, with the values of the lane axes beside it. A group without
a shard leaves its place filled, and the status there says why. The receipt cube.json vouches for
the bytes of cube.nc.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.cube_setting import register
from rnnjax.lazy import xr
from rnnjax.sweep import files, netcdf
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.status import SUFFIX, Status, fill_value

LANE = "lane"  # the dim of a shard that stands for all lane axes


class Place(NamedTuple):
    """Where the lanes of a group lie in the cube.

    Args:
        static: the value on each static axis; the other axes are lanes.
        first: the first lane, counted over the lane axes with the last one fastest.
        n_lanes: how many follow one another.
    """

    static: Mapping[str, Any]
    first: int
    n_lanes: int


def assemble(
    axes: Mapping[str, Any],
    places: Mapping[str, Place],
    shards: Iterable[tuple[str, xr.Dataset]],
    failed: Iterable[str] = (),
) -> xr.Dataset:
    """The cube of all groups.

    Args:
        axes: the values of every axis, static and lane alike, in the order of the dims.
        places: where each group belongs, by id.
        shards: group ids and their datasets, over ``lane`` and the inner dims.
        failed: ids of groups that failed.

    Returns:
        Every variable over the axes, then its inner dims. Groups without a shard are filled.

    Raises:
        StoreError: there is no shard, or shards and axes do not fit together.
    """
    cube = None
    for group, shard in shards:
        cube = _blank(axes, shard) if cube is None else cube
        _insert(cube, axes, places[group], shard, f"group {group}")
    if cube is None:
        raise StoreError("no group is committed: there is nothing to collect")
    for group in failed:
        statics, lanes = _indices(axes, places[group], f"group {group}")
        for name in cube.data_vars:
            if str(name).endswith(SUFFIX):
                cube[name].values[statics][lanes] = Status.FAILED
    return cube


def with_members(cube: xr.Dataset, axes: Mapping[str, Any]) -> xr.Dataset:
    """The cube with coordinates for all fields of the axes along which several vary together.

    Args:
        cube: the cube.
        axes: the axes of its config as JSON.
    """
    joint = {name: axis for name, axis in axes.items() if isinstance(axis, Mapping)}
    members = {
        field: (name, np.array(values if _is_plain(values) else list(map(str, values))))
        for name, axis in joint.items()
        for field, values in axis.items()
    }
    return cube.assign_coords(members)


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether values are numbers or text, all of one kind."""
    kinds = {"n" if type(value) in (int, float) else type(value) for value in values}
    return len(kinds) == 1 and kinds <= {"n", bool, str}


def write_cube(out: Path, cube: xr.Dataset, record: Mapping[str, Any]) -> None:
    """Puts OUT/cube.nc and its receipt OUT/cube.json in place of the old ones.

    Args:
        out: the folder of the store.
        cube: what `assemble` made.
        record: what else the receipt tells, JSON-able.
    """
    data, path = netcdf.encode(cube), out / "cube.nc"
    try:
        old = files.sha256(_vouched(path)) if os.path.exists(out / "cube.json") else None
    except StoreError:
        old = None
    receipt = {**record, "sha256": files.sha256(data)}
    # The receipt goes first, and vouches for the old cube, or for none, until the new one is in its
    # place: then it says no more of the old.
    files.commit_over(out / "cube.json", files.seal({**receipt, "replaces": old}), out / "tmp")
    files.commit_over(path, data, out / "tmp")
    files.commit_over(out / "cube.json", files.seal(receipt), out / "tmp")


def read_cube(path: str | os.PathLike[str]) -> xr.Dataset:
    """The cube in a result folder or a netCDF file, checked against its receipt if it has one.

    Raises:
        StoreError: missing, damaged, or no netCDF-4.
    """
    path = Path(path) / "cube.nc" if os.path.isdir(path) else Path(path)
    return netcdf.decode(_vouched(path), path)


def _vouched(path: Path) -> bytes:
    """The bytes of a cube, for which its receipt vouches if there is one."""
    data, receipt = files.read_bytes(path), path.with_name("cube.json")
    if path.name == "cube.nc" and os.path.exists(receipt):
        record = files.read_sealed(receipt)
        if files.sha256(data) not in (record.get("sha256"), record.get("replaces")):
            raise StoreError(f"{path}: damaged: its sha256 is not the one in cube.json")
    return data


def _insert(
    cube: xr.Dataset, axes: Mapping[str, Any], place: Place, shard: xr.Dataset, whose: str
) -> None:
    """Copies a shard to its place in the cube; StoreError unless it fits exactly."""
    if set(cube.data_vars) != set(shard.data_vars):
        raise StoreError(f"{whose}: other variables than the groups before it")
    statics, lanes = _indices(axes, place, whose)
    _check_labels(cube, axes, place, lanes, shard, whose)
    for name, target in cube.data_vars.items():
        dims = [LANE, *(dim for dim in target.dims if dim not in axes)]
        if set(dims) != set(shard[name].dims):
            raise StoreError(f"{whose}: {name} has dims {shard[name].dims}, expected {dims}")
        source = shard[name].transpose(*dims).values
        there = target.values[statics]
        if (place.n_lanes, *there.shape[len(lanes) :]) != source.shape or (
            target.dtype != source.dtype
        ):
            raise StoreError(f"{whose}: {name} has another shape or type than the sweep")
        if lanes:
            there[lanes] = source
        else:  # a single number has no view to write to
            target.values[statics] = source[0]


def _check_labels(
    cube: xr.Dataset,
    axes: Mapping[str, Any],
    place: Place,
    lanes: tuple[np.ndarray, ...],
    shard: xr.Dataset,
    whose: str,
) -> None:
    """Refuses a shard whose coordinates are not those of its place."""
    names = [axis for axis in axes if axis not in place.static]
    expected = {name: np.asarray(axes[name])[at] for name, at in zip(names, lanes, strict=True)}
    for name in cube.coords:
        if name not in axes:
            expected[str(name)] = cube[name].values
    if set(map(str, shard.coords)) != set(expected):
        raise StoreError(f"{whose}: other coordinates than {sorted(expected)}")
    for name, values in expected.items():
        if not np.array_equal(shard[name], values):
            raise StoreError(f"{whose}: other values of {name} than the sweep has")


def _indices(
    axes: Mapping[str, Any], place: Place, whose: str
) -> tuple[tuple[Any, ...], tuple[np.ndarray, ...]]:
    """The index of a group in the cube: a number for each static axis, then arrays for lanes."""
    statics: list[Any] = []
    for axis, values in axes.items():
        known = np.asarray(values).tolist()
        if axis in place.static and place.static[axis] not in known:
            raise StoreError(f"{whose}: {axis}={place.static[axis]!r} is no value of that axis")
        within = axis in place.static
        statics.append(known.index(place.static[axis]) if within else slice(None))
    shape = [len(values) for axis, values in axes.items() if axis not in place.static]
    last = place.first + place.n_lanes
    if not 0 <= place.first < last <= math.prod(shape):
        raise StoreError(f"{whose}: has lanes up to {last}, the sweep has {math.prod(shape)}")
    numbers = np.arange(place.first, last)
    return tuple(statics), tuple(np.unravel_index(numbers, shape)) if shape else ()


def _blank(axes: Mapping[str, Any], shard: xr.Dataset) -> xr.Dataset:
    """A cube like `shard` over all axes, and no cell computed."""
    register()
    sizes = {axis: len(values) for axis, values in axes.items()}
    cube = xr.Dataset(coords={name: v for name, v in shard.coords.items() if name not in axes})
    for axis, values in axes.items():
        record = shard[axis].attrs if axis in shard.coords else {}
        cube = cube.assign_coords({axis: (axis, np.asarray(values), record)})
    for name, variable in shard.data_vars.items():
        dims = [*axes, *(dim for dim in variable.dims if dim != LANE)]
        empty = Status.MISSING if str(name).endswith(SUFFIX) else fill_value(variable.dtype)
        values = np.full(
            [sizes.get(str(d), shard.sizes.get(d)) for d in dims], empty, variable.dtype
        )
        cube[name] = (dims, values, variable.attrs)
    return cube
