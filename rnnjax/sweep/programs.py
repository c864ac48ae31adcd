"""The compiled programs of a sweep: draws and measurements, over chunks of lanes and over devices.

A program takes arrays of shape (n_devices, chunk, ...). Each device runs one chunk, and always one
of the same size: what a device executes is then the same program on the same shapes whether there
are one or many of them, and so are the bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from rnnjax.lazy import jax
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.plan import Group, Plan

Program = Callable[[Any], Any]
_GLANCE = 0.2  # seconds
_AXIS = "device"  # of the mesh
_LEVEL = "xla_backend_optimization_level"
_COMPILER: dict[str, dict[str, Any]] = {"well": {}, "quickly": {_LEVEL: 1}}


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
        self.mesh = jax.sharding.Mesh(np.array(devices), (_AXIS,))
        self.n_devices = len(devices)
        self._seconds: list[float] = []
        self._n_compiled = 0
        self._draws: dict[tuple[Any, ...], tuple[Future[Program], Any]] = {}
        self._ahead: dict[tuple[Any, ...], Future[Program]] = {}
        self._held: tuple[tuple[Any, ...], Program] | None = None
        self._pool = ThreadPoolExecutor(thread_name_prefix="compile")

    @property
    def compile_seconds(self) -> float:
        """What compiling has taken so far, of all threads."""
        return sum(self._seconds)

    @property
    def n_compiled(self) -> int:
        """Number of programs that are ready."""
        return self._n_compiled

    def n_needed(self, groups: Sequence[Group]) -> int:
        """Number of programs that these groups take."""
        draws, measures = (set(map(key, groups)) for key in (self._draw_key, _program_key))
        return len(draws) + len(measures)

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

    def of(
        self,
        group: Group,
        coming: Sequence[Group] = (),
        waiting: Callable[[], None] = lambda: None,
    ) -> tuple[Program, Program]:
        """The programs of a group: lanes to draws, and draws to variables.

        `waiting` is called again and again until they are compiled.

        What draws look like is known once they are traced, so that both are compiled side by side.
        Groups that are `coming` with the same draws have theirs compiled meanwhile, on other cores.
        Draws are shared by groups that name no static axis of theirs; of the programs that measure
        only the last that was used is held: the next group may need it too.
        """
        if self._draw_key(group) not in self._draws:
            self._draws[self._draw_key(group)] = self._begun_draw(group)
        draw, drawn = self._draws[self._draw_key(group)]
        shared = [g for g in coming if self._draw_key(g) == self._draw_key(group)]
        key = _program_key(group)
        for one in [group, *shared]:
            if not self._is_known(_program_key(one)):
                lane = self._measure_lane(one)
                self._ahead[_program_key(one)] = self._pool.submit(self._compiled, lane, drawn)
        if self._held is None or self._held[0] != key:
            self._held = key, _awaited(self._ahead[key], waiting)
            del self._ahead[key]
        return _awaited(draw, waiting), self._held[1]

    def memory_of(self, group: Group) -> Any:
        """What the compiler says of the memory that measuring a chunk of a group takes."""
        _, drawn = self._traced_draw(group)
        traced = self._trace(self._measure_lane(group), drawn)
        return traced.lower().compile(compiler_options=_COMPILER["quickly"]).memory_analysis()

    def _begun_draw(self, group: Group) -> tuple[Future[Program], Any]:
        """Trace the draws of a group, and have them compiled; the program, and what it returns."""
        traced, drawn = self._traced_draw(group)
        return self._pool.submit(self._finished, traced), drawn

    def _traced_draw(self, group: Group) -> tuple[jax.stages.Traced, Any]:
        static = {name: group.static[name] for name in self.experiment.draw_axes}
        traced = self._trace(self._draw_lane(static), self.lane_values(group.lanes, 0))
        sharding = jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(_AXIS))
        drawn = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), traced.out_info
        )
        return traced, drawn

    def close(self) -> None:
        """Give up what was to be compiled and is not needed any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_known(self, key: tuple[Any, ...]) -> bool:
        return key in self._ahead or (self._held is not None and self._held[0] == key)

    def _draw_key(self, group: Group) -> tuple[Any, ...]:
        return tuple(group.static[name] for name in self.experiment.draw_axes)

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

    def _compiled(self, lane_function: Program, example: Any) -> Program:
        return self._finished(self._trace(lane_function, example))

    def _trace(self, lane_function: Program, example: Any) -> jax.stages.Traced:
        def local(chunk: Any) -> Any:
            results = jax.vmap(lane_function)(jax.tree.map(lambda array: array[0], chunk))
            return jax.tree.map(lambda array: array[None], results)

        # The name is what a profile and jax's own log show of the program.
        local.__name__ = local.__qualname__ = f"rnnjax_{lane_function.__name__}"
        started, spec = time.perf_counter(), jax.sharding.PartitionSpec(_AXIS)
        # check_vma=False: a lane knows nothing of the mesh, so there is nothing to check.
        spread = jax.shard_map(
            local, mesh=self.mesh, in_specs=spec, out_specs=spec, check_vma=False
        )
        traced = jax.jit(spread).trace(example)
        self._seconds.append(time.perf_counter() - started)
        return traced

    def _finished(self, traced: jax.stages.Traced) -> Program:
        started = time.perf_counter()
        # What the user says in XLA_FLAGS has the last word.
        told = _LEVEL in os.environ.get("XLA_FLAGS", "")
        options = {} if told else _COMPILER[self.experiment.compile]
        program = traced.lower().compile(compiler_options=options)
        self._seconds.append(time.perf_counter() - started)
        self._n_compiled += 1
        return program

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


def _awaited(program: Future[Program], waiting: Callable[[], None]) -> Program:
    while not program.done():
        waiting()
        wait([program], _GLANCE)
    return program.result()


def _program_key(group: Group) -> tuple[Any, ...]:
    return tuple(group.static.items())


def _traced(values: np.ndarray) -> np.ndarray:
    return values.astype(jax.dtypes.canonicalize_dtype(values.dtype))
