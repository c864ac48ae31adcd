"""The names in a cube: each stands for one thing, and netCDF has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep.axis import Axis
from rnnjax.sweep.cube import LANE
from rnnjax.sweep.status import SUFFIX, status_name
from rnnjax.variables import Variable

_OF_NETCDF = "_nc4_non_coord_"  # what netCDF puts before the name of a variable that is no dim


def check_names_of_cube(
    path: Path,
    axes: Sequence[Axis],
    coordinates: Mapping[str, np.ndarray],
    variables: Mapping[str, Variable],
) -> None:
    """Check that axes, inner dims and variables make a cube.

    Args:
        path: the file of the experiment.
        axes: of the sweep; fields that vary together become coordinates of the cube.
        coordinates: the inner dims.
        variables: what is measured.

    Raises:
        ConfigError: naming the first thing that is wrong.
    """
    for problem in _problems(axes, coordinates, variables):
        raise ConfigError("experiment", f"{path}: {problem}")


def _problems(
    axes: Sequence[Axis],
    coordinates: Mapping[str, np.ndarray],
    variables: Mapping[str, Variable],
) -> Iterator[str]:
    members = [field for axis in axes for field in axis.fields if field != axis.name]
    statuses = map(status_name, variables)
    names = [*(axis.name for axis in axes), *coordinates, *variables, *statuses]
    for name in names:
        if names.count(name) > 1 or name in (LANE, *members):
            yield f"{name!r} stands for two things"
    for name, values in coordinates.items():
        if values.ndim != 1:
            yield f"coordinate {name!r} is not 1-d"
        elif len(labels := values.tolist()) > len(set(labels)):  # a label would be two places
            twice = next(label for label in labels if labels.count(label) > 1)
            yield f"expected values of {name!r} that differ, got {shown(twice)} twice"
    for name, variable in variables.items():
        if name.endswith(SUFFIX):  # readers of a cube would take it for the status of another
            yield f"variable {name!r} ends in {SUFFIX}, as the status of a variable does"
        for dim in variable.dims:
            if dim not in coordinates:
                yield f"variable {name!r} has dim {dim!r} without coordinate"
    for name in (*names, *members):
        if not _is_of_netcdf(name):
            yield f"expected names without / that can be printed, which netCDF has, got {name!r}"
    if not variables:
        yield "variables() is empty"


def _is_of_netcdf(name: Any) -> bool:
    if not isinstance(name, str) or name in ("", "."):
        return False
    return name.isprintable() and "/" not in name and not name.startswith(_OF_NETCDF)
