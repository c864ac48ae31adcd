"""What a sweep will do, worked out before anything runs and without jax.

Each combination of the static axes is one program. A *lane* is one combination of the traced axes,
flattened with the last axis fastest. Lanes are computed in *chunks* of ``config.chunk``; the last
chunk is filled up with copies of its first lane, because the number of lanes that are computed
together changes the last bits of float32. A *group* is one combination of the static axes and
``config.chunks_a_shard`` chunks of its lanes, or all if they are fewer: one shard of the store.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnnjax.errors import ConfigError
from rnnjax.lazy import jax
from rnnjax.sweep import inferred
from rnnjax.sweep.axes import Values
from rnnjax.sweep.axis import Axis
from rnnjax.sweep.config import Config
from rnnjax.sweep.cube_names import check_names_of_cube
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.group_names import group_id
from rnnjax.sweep.inferred import MAX_VALUES
from rnnjax.variables import Variable

MAX_GROUPS = 50_000
MAX_CELLS = 100_000_000


@dataclass(frozen=True)
class Group:
    """One combination of the static axes and a run of its lanes: what one shard holds.

    Args:
        id: name of its shard, as in ``activation=tanh``; safe as a file name.
        static: value of each static axis.
        first: its first lane.
        n_lanes: how many lanes it has.
    """

    id: str
    static: dict[str, Any]
    first: int
    n_lanes: int

    @property
    def lanes(self) -> np.ndarray:
        """The numbers of its lanes, (n_lanes,)."""
        return np.arange(self.first, self.first + self.n_lanes)


@dataclass(frozen=True)
class Plan:
    """The whole sweep of one config.

    Args:
        config: the config.
        coordinates: the inner dimensions, each a 1-d array.
        variables: what is measured.
        groups: every combination of the static axes, its lanes cut into runs.
    """

    config: Config
    coordinates: dict[str, np.ndarray]
    variables: dict[str, Variable]
    groups: tuple[Group, ...]

    @cached_property
    def axes(self) -> dict[str, Values]:
        """The labels of every axis, in the order of the cube's dimensions."""
        return {axis.name: axis.labels for axis in self.config.axes}

    @cached_property
    def lane_axes(self) -> dict[str, Axis]:
        """The traced axes, in the same order."""
        return {axis.name: axis for axis in self.config.axes if axis.kind == "traced"}

    @property
    def programs(self) -> int:
        """Number of swept programs: combinations of the static axes."""
        return math.prod(len(a) for a in self.config.axes if a.kind == "static")

    @property
    def n_lanes(self) -> int:
        """Number of lanes of one combination of the static axes."""
        return math.prod(map(len, self.lane_axes.values()))

    @property
    def n_chunks(self) -> int:
        """Number of chunks of the largest group."""
        return self.chunks(max(group.n_lanes for group in self.groups))

    @property
    def n_cells(self) -> int:
        """Number of cells of the sweep."""
        return self.programs * self.n_lanes

    def chunks(self, n_lanes: int) -> int:
        """Number of chunks that so many lanes take."""
        return -(-n_lanes // self.config.chunk)

    def described(self, group: Group) -> str:
        """A group in words: its static values, and which cells of the lane axes it has."""
        words = [f"{name}={value}" for name, value in group.static.items()]
        if self.lane_axes:
            cells = " x ".join(f"{name} {len(axis)}" for name, axis in self.lane_axes.items())
            last = group.first + group.n_lanes
            part = "" if group.n_lanes == self.n_lanes else f"{group.first + 1} to {last} of "
            words.append(part + cells)
        return ", ".join(words) or "the only cell"

    @property
    def values_per_cell(self) -> int:
        """Number of values measured in one cell, over all variables."""
        return sum(math.prod(self.inner_shape(name)) for name in self.variables)

    def inner_shape(self, variable: str) -> tuple[int, ...]:
        """Shape of one cell of `variable`."""
        return tuple(len(self.coordinates[dim]) for dim in self.variables[variable].dims)

    def chunk(self, lanes: np.ndarray, number: int) -> np.ndarray:
        """The lanes of one chunk, (config.chunk,); what is left over repeats its first."""
        first = number * self.config.chunk
        own = lanes[first : first + self.config.chunk]
        return np.concatenate([own, np.full(self.config.chunk - len(own), own[0])])

    def lane_values(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        """The value of every lane axis at the lanes of these numbers, each of their shape."""
        positions = self._positions(lanes)
        return {name: np.asarray(self.axes[name])[at] for name, at in positions.items()}

    def traced_values(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        """The value of every traced field that is swept, at the lanes of these numbers."""
        return {
            field: np.asarray(values)[at]
            for name, at in self._positions(lanes).items()
            for field, values in self.lane_axes[name].fields.items()
        }

    def program_values(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        """What a program takes of these lanes: `traced_values` in the dtypes of jax."""
        values = {
            name: array.astype(jax.dtypes.canonicalize_dtype(array.dtype))
            for name, array in self.traced_values(lanes).items()
        }
        # Without a traced axis there is one lane, which an index stands for.
        return values or {"": np.zeros(lanes.shape, np.int32)}

    def n_distinct(self, names: Collection[str]) -> int:
        """Number of combinations of the traced axes on which these fields lie."""
        read = [a for a in self.lane_axes.values() if not a.fields.keys().isdisjoint(names)]
        return math.prod(map(len, read))

    def distinct(self, lanes: np.ndarray, names: Collection[str]) -> np.ndarray:
        """The number of the combination that each lane has on these axes, of the shape of lanes."""
        numbers = np.zeros(lanes.shape, np.int64)
        for name, at in self._positions(lanes).items():
            axis = self.lane_axes[name]
            if not axis.fields.keys().isdisjoint(names):
                numbers = numbers * len(axis) + at
        return numbers

    def static_values(self, group: Group) -> dict[str, Any]:
        """The value of every field on a static axis, in one group."""
        found: dict[str, Any] = {}
        for axis in self.config.axes:
            if axis.kind == "static":
                found |= axis.at(axis.labels.index(group.static[axis.name]))
        return found

    def places(self, group: Group) -> dict[str, np.ndarray]:
        """Where the lanes of a group lie on every axis, each (n_lanes,)."""
        at = self._positions(group.lanes)
        statics = {axis.name: axis.labels for axis in self.config.axes if axis.kind == "static"}
        for name, labels in statics.items():
            at[name] = np.full(group.n_lanes, labels.index(group.static[name]))
        return at

    def _positions(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        shape = tuple(map(len, self.lane_axes.values()))
        positions = np.unravel_index(lanes, shape) if shape else ()
        return dict(zip(self.lane_axes, positions, strict=True))

    def sizes(self, itemsize: int, devices: int) -> tuple[int, int]:
        """Bytes of the cube, and of the results that are held in memory while it is made."""
        cube = self.n_cells * self.values_per_cell * (itemsize + 1)
        chunks = 2 * devices * self.config.chunk * self.values_per_cell * itemsize
        shard = max(group.n_lanes for group in self.groups) * self.values_per_cell * itemsize
        return cube, cube + chunks + shard


def make_plan(experiment: Experiment, config: Config, precision: str | None = None) -> Plan:
    """Plan the sweep of `config`.

    Args:
        experiment: the experiment.
        config: its config.
        precision: ``"float32"`` or ``"float64"``; that of the experiment if None.

    Raises:
        ConfigError: when the sweep is too large, or the experiment contradicts itself.
    """
    axes = {axis.name: axis.labels for axis in config.axes}
    _check_cells(axes)
    coordinates, variables = _declared(experiment, config, precision or experiment.precision)
    check_names_of_cube(experiment.path, config.axes, coordinates, variables)
    statics = {axis.name: axis.labels for axis in config.axes if axis.kind == "static"}
    n_lanes = math.prod(len(axis) for axis in config.axes if axis.kind == "traced")
    _check_groups(statics, n_lanes, config)
    plan = Plan(config, coordinates, variables, _groups(statics, n_lanes, config))
    _check_values(plan)
    return plan


def _groups(static: dict[str, Values], n_lanes: int, config: Config) -> tuple[Group, ...]:
    """Every combination of the static axes, in runs of lanes where it fills several shards."""
    size = config.chunk * config.chunks_a_shard
    runs = [(first, min(size, n_lanes - first)) for first in range(0, n_lanes, size)]
    groups = []
    for values in itertools.product(*static.values()):
        member = dict(zip(static, values, strict=True))
        name = group_id(member)
        ends = [""] if len(runs) == 1 else [f"+lanes={first}" for first, _ in runs]
        groups += [Group(name + end, member, *run) for end, run in zip(ends, runs, strict=True)]
    return tuple(groups)


def _check_cells(axes: dict[str, Values]) -> None:
    cells = math.prod(map(len, axes.values()))
    if cells > MAX_CELLS:
        raise ConfigError("axes", f"expected at most {MAX_CELLS} cells, got {_product(axes)}")


def _check_groups(statics: dict[str, Values], n_lanes: int, config: Config) -> None:
    size = config.chunk * config.chunks_a_shard
    number = math.prod(map(len, statics.values())) * -(-n_lanes // size)
    if number > MAX_GROUPS:
        message = f"expected at most {MAX_GROUPS} groups of {size} lanes, got {number}"
        raise ConfigError("chunks_a_shard", message)


def _check_values(plan: Plan) -> None:
    values = plan.n_cells * plan.values_per_cell
    if values > MAX_VALUES:
        message = f"{_product(plan.axes)} cells of {plan.values_per_cell} values"
        raise ConfigError("axes", f"expected at most {MAX_VALUES} values, got {message}")


def _product(axes: dict[str, Values]) -> str:
    factors = " x ".join(f"{name} {len(values)}" for name, values in axes.items())
    return f"{factors} = {math.prod(map(len, axes.values()))}"


def _declared(
    experiment: Experiment, config: Config, precision: str
) -> tuple[dict[str, np.ndarray], dict[str, Variable]]:
    if experiment.variables is None:
        return inferred.declared(experiment, config, precision)
    try:
        coordinates = {} if experiment.coordinates is None else experiment.coordinates(config.fixed)
        variables = experiment.variables(config.fixed)
    except ConfigError:
        raise
    except AttributeError as error:
        axis = next((a for a in config.axes if error.name in a.fields), None)
        if axis is None:
            raise _failed(error) from error
        message = (
            f"expected one value of {error.name}, because coordinates or variables depend on it"
        )
        raise ConfigError(f"axes.{axis.name}", f"{message}, got {len(axis)}") from None
    except Exception as error:
        raise _failed(error) from error
    return {name: np.asarray(values) for name, values in coordinates.items()}, dict(variables)


def _failed(error: Exception) -> ConfigError:
    message = f"{type(error).__name__}: {error}"
    return ConfigError("config", f"coordinates or variables of it fail: {message}")
