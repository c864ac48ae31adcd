"""The compiled programs of a sweep: draws and measurements, over chunks of lanes and over devices.

A program takes arrays of shape (n_devices, chunk, ...). Each device runs one chunk, and always one
of the same size: what a device executes is then the same program on the same shapes whether there
are one or many of them, and so are the bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.plan import Group, Plan

Program = Callable[[Any], Any]
_SPEC = PartitionSpec("device")
_LEVEL = "xla_backend_optimization_level"
_COMPILER: dict[str, dict[str, Any]] = {"well": {}, "quickly": {_LEVEL: 1}}


class _Draws(NamedTuple):
    """A draw program that is being traced and compiled: what it will draw is known first."""

    traced: Future[Any]
    program: Future[Program]


class Programs:
    """Compiles what the groups of one plan need, each program once.

    Args:
        experiment: the experiment.
        plan: its plan.
        devices: the devices to spread chunks over.
    """

    def __init__(self, experiment: Experiment, plan: Plan, devices: Sequence[jax.Device]) -> None:
        self.experiment = experiment
        self.plan = plan
        self.mesh = Mesh(np.array(devices), ("device",))
        self.n_devices = len(devices)
        self._seconds: list[float] = []  # of every compilation
        self._draws: dict[tuple[Any, ...], _Draws] = {}
        self._ahead: dict[tuple[Any, ...], Future[Program]] = {}
        self._held: tuple[tuple[Any, ...], Program] | None = None
        self._pool = ThreadPoolExecutor(thread_name_prefix="compile")

    @property
    def compile_seconds(self) -> float:
        """Seconds of compiling so far, side by side ones added up."""
        return sum(self._seconds)

    def n_steps(self, n_lanes: int) -> int:
        """Number of steps that so many lanes take; a step is one chunk on every device."""
        return -(-self.plan.chunks(n_lanes) // self.n_devices)

    def lane_values(self, lanes: np.ndarray, step: int) -> dict[str, np.ndarray]:
        """The lane values of a step of these lanes, each of shape (n_devices, chunk).

        Where the chunks do not fill the last step, its first chunk is computed again.
        """
        first, n_chunks = step * self.n_devices, self.plan.chunks(len(lanes))
        chunks = [first + device for device in range(self.n_devices)]
        rows = np.stack([self.plan.chunk(lanes, c if c < n_chunks else first) for c in chunks])
        values = {name: _traced(v) for name, v in self.plan.lane_values(rows).items()}
        # Without a lane axis there is one lane, which an index stands for.
        return values or {"": np.zeros(rows.shape, np.int32)}

    def prepare(self, groups: Sequence[Group]) -> None:
        """Begin to compile what groups need, on all cores at once, and do not wait for it."""
        for group in groups:
            key = _program_key(group)
            if key not in self._ahead and (self._held is None or self._held[0] != key):
                self._ahead[key] = self._pool.submit(self._measured, group, self._drawn(group))

    def draw(self, group: Group) -> Program:
        """The draw program of a group: lanes to draws, shared where it names no static axis."""
        return self._drawn(group).program.result()

    def measure(self, group: Group) -> Program:
        """The swept program of a group: draws to variables.

        Of the programs that were used only the last is held: the next group may need it too.
        """
        self.prepare([group])
        key = _program_key(group)
        if self._held is None or self._held[0] != key:
            self._held = key, self._ahead.pop(key).result()
        return self._held[1]

    def close(self) -> None:
        """Give up what was to be compiled and is not needed any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _drawn(self, group: Group) -> _Draws:
        static = {name: group.static[name] for name in self.experiment.draw_axes}
        key = tuple(static.values())
        if key not in self._draws:
            # What waits for a job is submitted behind it, so that the job has been begun.
            spread, example = (
                self._spread(self._draw_lane(static)),
                self.lane_values(group.lanes, 0),
            )
            traced = self._pool.submit(lambda: spread.trace(example))
            program = self._pool.submit(lambda: self._finished(traced.result()))
            self._draws[key] = _Draws(traced, program)
        return self._draws[key]

    def _measured(self, group: Group, draws: _Draws) -> Program:
        """Compile the swept program of a group for what its draws will be."""
        spread = NamedSharding(self.mesh, _SPEC)
        like = jax.tree.map(
            lambda told: jax.ShapeDtypeStruct(told.shape, told.dtype, sharding=spread),
            draws.traced.result().out_info,
        )
        return self._finished(self._spread(self._measure_lane(group)).trace(like))

    def _measure_lane(self, group: Group) -> Program:
        experiment, config = self.experiment, self.plan.config

        def measure(drawn_lane: Any) -> Any:
            values = experiment.measure(config, drawn_lane, **group.static)
            return self._checked(values)

        return measure

    def _draw_lane(self, static: dict[str, Any]) -> Program:
        experiment, config = self.experiment, self.plan.config

        def draw(lane: dict[str, jax.Array]) -> Any:
            lane = {name: value for name, value in lane.items() if name}
            return experiment.draw(config, **lane, **static)

        return draw

    def _finished(self, traced: Any) -> Program:
        """Compile what was traced, and note the seconds that it took."""
        started = time.perf_counter()
        # What the user says in XLA_FLAGS has the last word.
        told = _LEVEL in os.environ.get("XLA_FLAGS", "")
        options = {} if told else _COMPILER[self.experiment.compile]
        compiled: Program = traced.lower().compile(compiler_options=options)
        self._seconds.append(time.perf_counter() - started)
        return compiled

    def _spread(self, lane_function: Program) -> Any:
        """Return a function of a lane as a jitted one of chunks on every device."""

        def local(chunk: Any) -> Any:
            results = jax.vmap(lane_function)(jax.tree.map(lambda array: array[0], chunk))
            return jax.tree.map(lambda array: array[None], results)

        # The name is what a profile and jax's own log show of the program.
        local.__name__ = local.__qualname__ = f"rnnjax_{lane_function.__name__}"
        # check_vma=False: a lane knows nothing of the mesh, so there is nothing to check.
        return jax.jit(
            jax.shard_map(local, mesh=self.mesh, in_specs=_SPEC, out_specs=_SPEC, check_vma=False)
        )

    def _checked(self, values: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        names = set(self.plan.variables)
        if set(values) != names:
            raise ValueError(f"expected measure() to return {sorted(names)}, got {sorted(values)}")
        for name, value in values.items():
            shape, dims = self.plan.inner_shape(name), self.plan.variables[name].dims
            if np.shape(value) != shape:
                told = f"expected {name!r} of shape {shape} {dims}, got {np.shape(value)}"
                raise ValueError(f"measure(): {told}")
        return dict(values)


def _program_key(group: Group) -> tuple[Any, ...]:
    return tuple(group.static.items())


def _traced(values: np.ndarray) -> np.ndarray:
    return values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
