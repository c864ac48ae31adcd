"""Running the groups of a sweep that are not committed yet, one shard a group."""

from __future__ import annotations

import platform
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import jax
import numpy as np
import xarray as xr

from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.programs import Program, Programs
from rnnjax.sweep.progress import Progress
from rnnjax.sweep.provenance import provenance
from rnnjax.sweep.status import flag_attributes, status_name, status_of
from rnnjax.sweep.store import Store

IN_FLIGHT = 2
COMPILED_AHEAD = 3


class InterruptedSweepError(Exception):
    """The sweep was asked to stop; what is committed stays."""


def run_sweep(
    experiment: Experiment,
    plan: Plan,
    store: Store,
    *,
    devices: Sequence[jax.Device],
    progress: Progress,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, str]:
    """Compute and commit every group that `store` lacks.

    A group that raises is recorded as failed, and the sweep goes on.

    Args:
        experiment: the experiment.
        plan: its plan.
        store: where the shards go.
        devices: the devices to spread chunks over; their number does not change the bits.
        progress: told after each step.
        stopped: asked before each step whether to stop.

    Returns:
        The provenance of what was computed.

    Raises:
        InterruptedSweepError: when `stopped` says so.
        StoreError: when a shard cannot be written.
    """
    programs = Programs(experiment, plan, devices)
    committed = store.committed()
    groups = [group for group in plan.groups if group.id not in committed]
    total = len(groups) * programs.n_steps
    attributes = provenance("float64" if jax.config.read("jax_enable_x64") else "float32")
    with closing(programs), progress:
        for position, group in enumerate(groups):
            coming = groups[position + 1 : position + 1 + COMPILED_AHEAD]

            def tick(
                step: int, before: int = position * programs.n_steps, now: Group = group
            ) -> None:
                progress.at(before + step, total, now.id)
                if stopped():
                    raise InterruptedSweepError

            _run_group(programs, group, coming, store, attributes, tick)
    return attributes


def _run_group(
    programs: Programs,
    group: Group,
    coming: Sequence[Group],
    store: Store,
    attributes: dict[str, str],
    tick: Callable[[int], None],
) -> None:
    """Commit one group, or record that it failed."""
    try:
        dataset, receipt = computed(programs, group, attributes, coming, tick)
    except InterruptedSweepError:
        raise
    except Exception as error:
        store.fail(group.id, told_of(error))
        return
    store.commit(group.id, dataset, receipt)


def computed(
    programs: Programs,
    group: Group,
    attributes: dict[str, str],
    coming: Sequence[Group] = (),
    tick: Callable[[int], None] = lambda step: None,
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Compute one group.

    Args:
        programs: those of the sweep.
        group: the group.
        attributes: the provenance.
        coming: groups to compile ahead.
        tick: told of every step.

    Returns:
        The dataset of the group's shard, and its receipt: versions, host, times.
    """
    started, compiled = time.perf_counter(), programs.compile_seconds
    dataset = shard(programs.plan, _measured(programs, group, coming, tick), attributes)
    times = {
        "seconds": time.perf_counter() - started,
        "compile_seconds": programs.compile_seconds - compiled,
    }
    where = {"host": platform.node(), "devices": programs.n_devices}
    return dataset, {**attributes, **times, **where}


def told_of(error: Exception) -> str:
    """What is recorded of an error: what it says, and then where it came from."""
    # The error first: jax ends a traceback with a note of its own.
    return f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"


def shard(plan: Plan, values: dict[str, np.ndarray], attributes: dict[str, str]) -> xr.Dataset:
    """The dataset of one group: every variable with its status, over lane axes and inner dims.

    Args:
        plan: the plan.
        values: every variable, of shape (n_lanes, inner dims).
        attributes: the provenance.
    """
    lane_shape = tuple(map(len, plan.lane_axes.values()))
    data: dict[str, Any] = {}
    for name, variable in plan.variables.items():
        dims = (*plan.lane_axes, *variable.dims)
        array = values[name].reshape(lane_shape + plan.inner_shape(name))
        told = {"long_name": variable.long_name, "units": variable.units}
        data[name] = (dims, array, told)
        data[status_name(name)] = (dims, status_of(array, variable.infinite), flag_attributes())
    coordinates = {name: np.asarray(axis) for name, axis in plan.lane_axes.items()}
    return xr.Dataset(data, coordinates | plan.coordinates, attributes)


def _measured(
    programs: Programs, group: Group, coming: Sequence[Group], tick: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Every variable of a group, of shape (n_lanes, inner dims); `tick` hears of each step."""
    tick(0)
    values: dict[str, np.ndarray] = {}
    draw = programs.draw(group)
    measure: Program | None = None
    pending: deque[tuple[int, dict[str, jax.Array]]] = deque()
    for step in range(programs.n_steps):
        drawn = draw(programs.lanes(step))
        measure = measure or programs.measure(group, drawn, coming)
        # Dispatch is asynchronous: the devices compute this step while the last is collected.
        pending.append((step, measure(drawn)))
        if len(pending) == IN_FLIGHT:
            _collect(programs, *pending.popleft(), values)
        tick(step + 1 - len(pending))
    while pending:
        _collect(programs, *pending.popleft(), values)
    tick(programs.n_steps)
    return values


def _collect(
    programs: Programs, step: int, results: dict[str, jax.Array], values: dict[str, np.ndarray]
) -> None:
    plan = programs.plan
    first = step * programs.n_devices * plan.config.chunk
    for name, result in results.items():
        # The whole array comes to the host first: it is sharded, and cannot be indexed there.
        rows = np.asarray(result).reshape(-1, *plan.inner_shape(name))
        if name not in values:
            values[name] = np.empty((plan.n_lanes, *plan.inner_shape(name)), rows.dtype)
        kept = min(len(rows), plan.n_lanes - first)
        values[name][first : first + kept] = rows[:kept]
