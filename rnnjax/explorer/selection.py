"""Parts of a cube: some of its variables, at some of its coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rnnjax.errors import ConfigError, one_of, shown
from rnnjax.lazy import xr
from rnnjax.sweep.status import SUFFIX, status_name

_ROUNDING = 1e-9  # by which a coordinate may differ from what was typed, relative


def selected(
    cube: xr.Dataset, variables: Sequence[str] = (), places: Sequence[str] = ()
) -> xr.Dataset:
    """Return a cube with some variables only, at some coordinates only.

    Args:
        cube: the cube.
        variables: names of variables; all of them if empty. A status comes with its variable.
        places: texts "DIM=VALUE"; the dim goes, and its coordinate stays as a single one.

    Raises:
        ConfigError: a name or a value is not in the cube.
    """
    names = [str(n) for n in cube.data_vars if not str(n).endswith(SUFFIX)]
    for name in variables:
        if name not in names:
            raise ConfigError("variable", one_of(name, names))
    if variables:
        kept = [n for name in variables for n in (name, status_name(name)) if n in cube.data_vars]
        cube = cube[kept]
    for place in places:
        cube = _at(cube, place)
    return cube


def _at(cube: xr.Dataset, place: str) -> xr.Dataset:
    dim, equals, text = place.partition("=")
    if not equals:
        raise ConfigError("select", f"expected DIM=VALUE, as seed=0, got {shown(place)}")
    if dim not in cube.sizes:
        raise ConfigError("select", one_of(dim, map(str, cube.sizes)))
    values = cube[dim].values.tolist()
    same = [index for index, value in enumerate(values) if str(value) == text]
    found = same or [index for index, value in enumerate(values) if _is_value(value, text)]
    if len(found) != 1:
        known = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        times = "one" if not found else "only one"
        raise ConfigError("select", f"{dim}: expected {times} of {known}, got {shown(text)}")
    return cube.isel({dim: found[0]})


def _is_value(value: object, text: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isclose(value, float(text), rel_tol=_ROUNDING)
    except ValueError:
        return False
