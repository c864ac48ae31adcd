"""Running the groups of a sweep that are not committed yet, one shard a group."""

from __future__ import annotations

import platform
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rnnjax.errors import one_line
from rnnjax.lazy import jax, xr
from rnnjax.sweep.config import check_names
from rnnjax.sweep.experiment import Experiment, line_in
from rnnjax.sweep.options import fixed_options
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.programs import Programs
from rnnjax.sweep.progress import Progress
from rnnjax.sweep.provenance import merged, provenance
from rnnjax.sweep.reuse import Earlier
from rnnjax.sweep.shard import failed_cells, shard

IN_FLIGHT = 2
COMPILED_AHEAD = 3
_FIRST_LINE = 150  # characters


class InterruptedSweepError(Exception):
    """The sweep was asked to stop; what is committed stays."""


class Results(Protocol):
    """What takes the shards of a sweep."""

    def committed(self) -> set[str]:
        """The ids of the groups that are there."""
        ...

    def commit(self, group: str, dataset: xr.Dataset, receipt: dict[str, Any]) -> Any:
        """Take the shard of a group."""
        ...

    def fail(self, group: str, error: str) -> Any:
        """Hear that a group raised; called while its error is being handled."""
        ...


def run_sweep(
    experiment: Experiment,
    plan: Plan,
    store: Results,
    *,
    devices: Sequence[jax.Device],
    precision: str,
    progress: Progress,
    earlier: Earlier | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Compute and commit every group that `store` lacks.

    A group that raises is recorded as failed, and the sweep goes on.

    Args:
        experiment: the experiment.
        plan: its plan.
        store: where the shards go, a `Store` or the memory of this process.
        devices: the devices to spread chunks over; their number does not change the bits.
        precision: ``"float32"`` or ``"float64"``.
        progress: called after each step.
        earlier: sweeps that may have some of the cells.
        stopped: asked before each step whether to stop.

    Raises:
        InterruptedSweepError: when `stopped` says so.
        StoreError: when a shard cannot be written.
        ConfigError: when a name in the config has a field with a value that it does not accept.
    """
    check_names(plan.config)
    programs = Programs(experiment, plan, devices, precision)
    committed = store.committed()
    groups = [group for group in plan.groups if group.id not in committed]
    missing = [group.lanes[~_known(earlier, group)] for group in groups]
    attributes = provenance(precision, experiment.code.cells)
    ends = np.cumsum([0, *(programs.n_steps(len(lanes)) for lanes in missing)]).tolist()
    needed = [g for g, lanes in zip(groups, missing, strict=True) if len(lanes)]
    with closing(programs), progress:
        for position, group in enumerate(groups):
            coming = [
                groups[i]
                for i in range(position + 1, min(position + 1 + COMPILED_AHEAD, len(groups)))
                if len(missing[i])
            ]

            def tick(step: int | None, before: int = ends[position], now: Group = group) -> None:
                doing = plan.described(now)
                if step is None:
                    number = programs.n_needed(needed)
                    doing = f"compiling {min(programs.n_compiled + 1, number)} of {number}"
                elif before + step == ends[-1]:
                    doing += f"; threads compiled for {programs.compile_seconds:.1f} s"
                progress.at(before + (step or 0), ends[-1], doing)
                if stopped():
                    raise InterruptedSweepError

            try:
                dataset, receipt = computed(programs, group, attributes, earlier, coming, tick)
            except InterruptedSweepError:
                raise
            except Exception as error:
                store.fail(group.id, error_text(error, experiment.path))
            else:
                store.commit(group.id, dataset, receipt)


def _known(earlier: Earlier | None, group: Group) -> np.ndarray:
    return np.zeros(group.n_lanes, bool) if earlier is None else earlier.known(group)


def computed(
    programs: Programs,
    group: Group,
    attributes: dict[str, str],
    earlier: Earlier | None = None,
    coming: Sequence[Group] = (),
    tick: Callable[[int | None], None] = lambda step: None,
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Compute one group, but for the cells that earlier sweeps have.

    Args:
        programs: those of the sweep.
        group: the group.
        attributes: the provenance of what is computed here.
        earlier: these sweeps.
        coming: groups to compile ahead.
        tick: called with every step, and None while programs are being compiled.

    Returns:
        The dataset of the group's shard, and its receipt: versions, host, times, failed cells.
    """
    started, compiled = time.perf_counter(), programs.compile_seconds
    known = _known(earlier, group)
    values: dict[str, np.ndarray] = {}
    if not known.all():
        with fixed_options(programs.precision):
            values = _measured(programs, group, ~known, coming, tick)
    if earlier is not None and known.any():
        earlier.fill(group, values)
        attributes_before = earlier.attributes(group)
        attributes = merged(attributes_before if known.all() else [attributes, *attributes_before])
    dataset = shard(programs.plan, group, values, attributes)
    failed = failed_cells(programs.plan, group, values)
    times = {
        "seconds": time.perf_counter() - started,
        "compile_seconds": programs.compile_seconds - compiled,
    }
    where = {"host": platform.node(), "devices": programs.n_devices}
    cells = {"n_cells": group.n_lanes, "n_reused": int(known.sum()), "failed_cells": failed}
    return dataset, {**attributes, **times, **where, **cells}


def error_text(error: Exception, path: Path) -> str:
    """What is recorded of an error: what it says and where in the experiment, then the traceback.

    Args:
        error: what a group raised.
        path: the file of the experiment.
    """
    line = line_in(path, error)
    # In one line, which the table of failures shows: the first thing that the error says.
    first = one_line(f"{type(error).__name__}: {error}".partition("\n")[0], _FIRST_LINE)
    where = f" ({path.name}{line})" if line else ""
    return f"{first}{where}\n\n{traceback.format_exc()}"


def _measured(
    programs: Programs,
    group: Group,
    wanted: np.ndarray,
    coming: Sequence[Group],
    tick: Callable[[int | None], None],
) -> dict[str, np.ndarray]:
    """Every variable of a group, of shape (n_lanes, inner dims), at the lanes that are wanted.

    `tick` is called after each step.
    """
    tick(None)
    lanes = group.lanes[wanted]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in programs.plan.variables}
    shared, measure = programs.of(group, coming, lambda: tick(None))
    if shared is not None:
        programs.compute_shared(shared, lanes)
    pending: deque[dict[str, jax.Array]] = deque()
    n_steps = programs.n_steps(len(lanes))
    for step in range(n_steps):
        # Dispatch is asynchronous: the devices compute this step while the last is collected.
        now = programs.lanes_of(lanes, step)
        leaves = [] if shared is None else shared.at(now)
        pending.append(measure((programs.plan.program_values(now), leaves)))
        if len(pending) == IN_FLIGHT:
            _collect(pending.popleft(), rows)
        tick(step + 1 - len(pending))
    while pending:
        _collect(pending.popleft(), rows)
    tick(n_steps)
    return {name: _placed(programs.plan, name, rows[name], wanted) for name in rows}


def _collect(results: dict[str, jax.Array], rows: dict[str, list[np.ndarray]]) -> None:
    for name, result in results.items():
        # The whole array comes to the host first: it is sharded, and cannot be indexed there.
        rows[name].append(np.asarray(result))


def _placed(plan: Plan, name: str, steps: list[np.ndarray], wanted: np.ndarray) -> np.ndarray:
    """What the steps of a group gave, (n_lanes, inner dims); anything at lanes not wanted."""
    shape = plan.inner_shape(name)
    values = np.zeros((len(wanted), *shape), steps[0].dtype)
    values[wanted] = np.concatenate([step.reshape(-1, *shape) for step in steps])[: wanted.sum()]
    return values
