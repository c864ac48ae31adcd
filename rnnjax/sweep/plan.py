"""What a sweep will do, worked out before anything runs and without jax.

A *group* is one combination of the static axes: one program, one shard. A *lane* is one
combination of the lane axes, flattened with the last axis fastest. A group's lanes are computed in
*chunks* of ``config.chunk``; the last chunk is filled up with copies of its first lane, because
the number of lanes that are computed together changes the last bits of float32.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.spec import Config, Values, Variable, axis_values

MAX_CELLS = 1_000_000
MAX_VALUES = 100_000_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]")


@dataclass(frozen=True)
class Group:
    """One combination of the static axes.

    Args:
        id: name of its shard, as in ``activation=tanh``; safe as a file name.
        static: value of each static axis.
    """

    id: str
    static: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """The whole sweep of one config.

    Args:
        config: the config.
        axes: values of every axis, in the order of the cube's dimensions.
        lane_axes: values of the lane axes, in the same order.
        coordinates: the inner dimensions, each a 1-d array.
        variables: what is measured.
        groups: every combination of the static axes.
        draws: number of draw programs.
    """

    config: Config
    axes: dict[str, Values]
    lane_axes: dict[str, Values]
    coordinates: dict[str, np.ndarray]
    variables: dict[str, Variable]
    groups: tuple[Group, ...]
    draws: int

    @property
    def n_lanes(self) -> int:
        """Number of lanes of one group."""
        return math.prod(map(len, self.lane_axes.values()))

    @property
    def n_chunks(self) -> int:
        """Number of chunks of one group."""
        return -(-self.n_lanes // self.config.chunk)

    @property
    def n_cells(self) -> int:
        """Number of cells of the sweep: groups times lanes."""
        return len(self.groups) * self.n_lanes

    @property
    def values_per_cell(self) -> int:
        """Number of values measured in one cell, over all variables."""
        return sum(math.prod(self.inner_shape(name)) for name in self.variables)

    def inner_shape(self, variable: str) -> tuple[int, ...]:
        """Shape of one cell of `variable`."""
        return tuple(len(self.coordinates[dim]) for dim in self.variables[variable].dims)

    def lanes(self, chunk: int) -> dict[str, np.ndarray]:
        """The lane values of chunk `chunk`, each of shape (config.chunk,)."""
        first = chunk * self.config.chunk
        index = np.arange(first, first + self.config.chunk)
        index[index >= self.n_lanes] = first
        shape = tuple(map(len, self.lane_axes.values()))
        positions = np.unravel_index(index, shape) if shape else ()
        return {
            name: np.asarray(values)[position]
            for (name, values), position in zip(self.lane_axes.items(), positions, strict=True)
        }

    def sizes(self, itemsize: int, devices: int) -> tuple[int, int]:
        """Bytes of the cube, and of the results that are held in memory while it is made."""
        cube = self.n_cells * self.values_per_cell * (itemsize + 1)
        chunks = 2 * devices * self.config.chunk * self.values_per_cell * itemsize
        return cube, cube + chunks + self.n_lanes * self.values_per_cell * itemsize


def make_plan(experiment: Experiment, config: Config) -> Plan:
    """Plan the sweep of `config`.

    Raises:
        ConfigError: when the sweep is too large, or the experiment contradicts itself.
    """
    axes = axis_values(config.axes)
    _check_cells(axes)
    coordinates, variables = _declared(experiment, config)
    _check_dims(experiment, axes, coordinates, variables)
    groups = _groups(axis_values(config.axes, "static"))
    drawn = {tuple(group.static[name] for name in experiment.draw_axes) for group in groups}
    lanes = axis_values(config.axes, "lane")
    plan = Plan(config, axes, lanes, coordinates, variables, groups, len(drawn))
    _check_values(plan)
    return plan


def group_id(static: Mapping[str, Any]) -> str:
    """The id of a group: ``name=value`` joined by ``+``, and a short hash where that was unsafe.

    Capitals count as unsafe too: some file systems do not tell them apart.
    """
    plain = "+".join(f"{name}={value}" for name, value in static.items()) or "all"
    safe = _UNSAFE.sub("_", plain)[:100]
    if safe == plain and plain == plain.lower():
        return plain
    return f"{safe}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def _groups(static: dict[str, Values]) -> tuple[Group, ...]:
    combinations = itertools.product(*static.values())
    members = [dict(zip(static, values, strict=True)) for values in combinations]
    return tuple(Group(group_id(member), member) for member in members)


def _check_cells(axes: dict[str, Values]) -> None:
    cells = math.prod(map(len, axes.values()))
    if cells > MAX_CELLS:
        raise ConfigError("axes", f"expected at most {MAX_CELLS} cells, got {_product(axes)}")


def _check_values(plan: Plan) -> None:
    values = plan.n_cells * plan.values_per_cell
    if values > MAX_VALUES:
        told = f"{_product(plan.axes)} cells of {plan.values_per_cell} values"
        raise ConfigError("axes", f"expected at most {MAX_VALUES} values, got {told}")


def _product(axes: dict[str, Values]) -> str:
    factors = " x ".join(f"{name} {len(values)}" for name, values in axes.items())
    return f"{factors} = {math.prod(map(len, axes.values()))}"


def _declared(
    experiment: Experiment, config: Config
) -> tuple[dict[str, np.ndarray], dict[str, Variable]]:
    try:
        coordinates = experiment.coordinates(config)
        variables = experiment.variables(config)
    except ConfigError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise ConfigError("config", f"coordinates or variables of it fail: {told}") from error
    return {name: np.asarray(values) for name, values in coordinates.items()}, dict(variables)


def _check_dims(
    experiment: Experiment,
    axes: dict[str, Values],
    coordinates: dict[str, np.ndarray],
    variables: dict[str, Variable],
) -> None:
    names = [*axes, *coordinates, *variables]
    problems = [f"{name!r} stands for two things" for name in names if names.count(name) > 1]
    problems += [f"coordinate {n!r} is not 1-d" for n, v in coordinates.items() if v.ndim != 1]
    for name, variable in variables.items():
        unknown = [dim for dim in variable.dims if dim not in coordinates]
        problems += [f"variable {name!r} has dim {dim!r} without coordinate" for dim in unknown]
    if not variables:
        problems.append("variables() is empty")
    if problems:
        raise ConfigError("experiment", f"{experiment.path}: {problems[0]}")
