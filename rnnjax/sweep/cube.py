"""The cube of a sweep: assembled from the shards of its groups, and kept as cube.nc.

Its dims are the axes and then the inner dims. A group without a shard leaves its place filled, and
the status there says why. The receipt cube.json vouches for the bytes of cube.nc.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.sweep import files, netcdf
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.status import SUFFIX, Status, fill_value

if TYPE_CHECKING:
    import xarray as xr


def assemble(
    axes: Mapping[str, Any],
    statics: Mapping[str, Mapping[str, Any]],
    shards: Iterable[tuple[str, xr.Dataset]],
    failed: Iterable[str] = (),
) -> xr.Dataset:
    """The cube of all groups.

    Args:
        axes: the values of every axis, static and lane alike, in the order of the dims.
        statics: for each group id, its value on each static axis; the other axes are lanes.
        shards: group ids and their datasets, over the lane axes and inner dims.
        failed: ids of groups that failed.

    Returns:
        Every variable over the axes, then its inner dims. Groups without a shard are filled.

    Raises:
        StoreError: there is no shard, or shards and axes do not fit together.
    """
    cube = None
    for group, shard in shards:
        cube = _blank(axes, statics[group], shard) if cube is None else cube
        _insert(cube, axes, statics[group], shard, f"group {group}")
    if cube is None:
        raise StoreError("no group is committed: there is nothing to collect")
    for group in failed:
        place = _place(axes, statics[group], f"group {group}")
        for name in cube.data_vars:
            if str(name).endswith(SUFFIX):
                cube[name].values[place] = Status.FAILED
    return cube


def write_cube(out: Path, cube: xr.Dataset, told: Mapping[str, Any]) -> None:
    """Puts OUT/cube.nc and its receipt OUT/cube.json in place of the old ones.

    Args:
        out: the folder of the store.
        cube: what `assemble` made.
        told: what else the receipt tells, JSON-able.
    """
    data, path = netcdf.encode(cube), out / "cube.nc"
    try:
        old = files.sha256(_vouched(path)) if os.path.exists(out / "cube.json") else None
    except StoreError:
        old = None
    # The receipt goes first, and vouches for the old cube too until the new one is in its place.
    sealed = files.seal({**told, "sha256": files.sha256(data), "replaces": old})
    files.commit_over(out / "cube.json", sealed, out / "tmp")
    files.commit_over(path, data, out / "tmp")


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
        told = files.read_sealed(receipt)
        if files.sha256(data) not in (told.get("sha256"), told.get("replaces")):
            raise StoreError(f"{path}: damaged: its sha256 is not the one in cube.json")
    return data


def _insert(
    cube: xr.Dataset,
    axes: Mapping[str, Any],
    static: Mapping[str, Any],
    shard: xr.Dataset,
    whose: str,
) -> None:
    """Copies a shard to its place in the cube; StoreError unless it fits exactly."""
    if set(cube.data_vars) != set(shard.data_vars):
        raise StoreError(f"{whose}: other variables than the groups before it")
    for name, values in shard.coords.items():
        if name not in cube.coords or not np.array_equal(cube[name], values):
            raise StoreError(f"{whose}: other values of {name} than the sweep has")
    place = _place(axes, static, whose)
    for name, target in cube.data_vars.items():
        dims = [dim for dim in target.dims if dim not in static]
        if set(dims) != set(shard[name].dims):
            raise StoreError(f"{whose}: {name} has dims {shard[name].dims}, expected {dims}")
        source = shard[name].transpose(*dims).values
        if (target.values[place].shape, target.dtype) != (source.shape, source.dtype):
            raise StoreError(f"{whose}: {name} has another shape or type than the sweep")
        target.values[place] = source


def _place(axes: Mapping[str, Any], static: Mapping[str, Any], whose: str) -> tuple[Any, ...]:
    """The index of a group in the cube: a number for each static axis, a slice for each lane."""
    place: list[Any] = []
    for axis, values in axes.items():
        known = np.asarray(values).tolist()
        if axis in static and static[axis] not in known:
            raise StoreError(f"{whose}: {axis}={static[axis]!r} is no value of that axis")
        place.append(known.index(static[axis]) if axis in static else slice(None))
    return tuple(place)


def _blank(axes: Mapping[str, Any], static: Mapping[str, Any], shard: xr.Dataset) -> xr.Dataset:
    """A cube like `shard` with the static axes added, and no cell computed."""
    import xarray as xr

    sizes = {axis: len(values) for axis, values in axes.items()}
    cube = xr.Dataset(coords={name: v for name, v in shard.coords.items() if name not in axes})
    for axis, values in axes.items():
        told = shard[axis].attrs if axis in shard.coords else {}
        cube = cube.assign_coords({axis: (axis, np.asarray(values), told)})
    for name, variable in shard.data_vars.items():
        dims = [*axes, *(dim for dim in variable.dims if dim not in axes)]
        empty = Status.MISSING if str(name).endswith(SUFFIX) else fill_value(variable.dtype)
        values = np.full(
            [sizes.get(str(d), shard.sizes.get(d)) for d in dims], empty, variable.dtype
        )
        cube[name] = (dims, values, variable.attrs)
    return cube
