"""A cube with more axes than its experiment draws, taken apart into cubes of the usual ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rnnjax.errors import shown
from rnnjax.lazy import np, xr
from rnnjax.sweep.axis import Axis
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.setting import Setting, name_of


def slices(cube: xr.Dataset, setting: type[Setting]) -> Iterator[tuple[str, xr.Dataset]]:
    """The parts of a cube that its experiment draws and checks, each with a name.

    Args:
        cube: the cube.
        setting: the class of settings of its experiment, whose ``axes`` a part has.

    Returns:
        One part for each combination of the values on all other axes, named as in ``n_h=4``; its
        config has these values in the place of the axes. The whole cube, named "", if there are
        none.
    """
    config = _config(cube)
    usual = {name_of(axis) for axis in setting.axes}
    others = [name for name in config["axes"] if name not in usual and name in cube.dims]
    if not usual or not others:
        yield "", cube
        return
    for place in itertools.product(*(range(cube.sizes[name]) for name in others)):
        at = dict(zip(others, place, strict=True))
        name = " ".join(f"{axis}={cube[axis].values[index]}" for axis, index in at.items())
        part = cube.isel(at).drop_vars([n for n in others if n in cube.coords])
        yield name, part.assign_attrs(config=json.dumps(_fixed(config, cube, at), sort_keys=True))


def _config(cube: xr.Dataset) -> dict[str, Any]:
    """The config of a cube; one without axes where the attribute is no config."""
    try:
        config = json.loads(str(cube.attrs.get("config", "{}")))
    except ValueError:
        config = {}
    axes = config.get("axes") if isinstance(config, dict) else None
    return {**config, "axes": axes} if isinstance(axes, dict) else {"axes": {}}


def _fixed(config: Mapping[str, Any], cube: xr.Dataset, at: Mapping[str, int]) -> dict[str, Any]:
    """A config with axes replaced by the values at these places of a cube."""
    axes: dict[str, Any] = dict(config["axes"])
    values: dict[str, Any] = {}
    for name, index in at.items():
        axis = axes.pop(name)
        fields = axis if isinstance(axis, Mapping) else {name: axis}
        place = _place(fields, cube, name, index)
        values |= {field: taken[place] for field, taken in fields.items()}
    return {**config, **values, "axes": axes}


def _place(fields: Mapping[str, Any], cube: xr.Dataset, name: str, index: int) -> int:
    """Where the config has the point at a place of an axis of a cube.

    A cube of which a part was taken has fewer points than its config, or has them in another order.

    Raises:
        StoreError: the config does not have this point.
    """
    labels = np.asarray(Axis(name, "static", fields).labels).tolist()
    points = cube[name].values.tolist() if name in cube.coords else labels
    if len(points) != cube.sizes[name] or points[index] not in labels:
        got = shown(points[index]) if name in cube.coords else f"{cube.sizes[name]} points"
        message = f"expected one of the {len(labels)} points that its config has, got {got}"
        raise StoreError(f"{name}, an axis of the cube: {message}")
    return labels.index(points[index])
