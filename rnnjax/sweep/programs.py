"""The compiled programs of a sweep: what is shared and what is measured, over chunks and devices.

A program takes arrays of shape (n_devices, chunk, ...). Each device runs one chunk, and always one
of the same size: what a device executes is then the same program on the same shapes whether there
are one or many of them, and so are the bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib import metadata
from typing import Any

import numpy as np

from rnnjax import compiling
from rnnjax.lazy import jax
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.inferred import results
from rnnjax.sweep.options import fixed_options
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.setting import register
from rnnjax.sweep.shared import SharedPart, SharedResults, traced_part
from rnnjax.sweep.surroundings import xla_flags

Program = Callable[[Any], Any]
_GLANCE = 0.2  # seconds
_MOST_KEPT = 1e9  # bytes of shared results
_AXIS = "device"  # of the mesh
_COMPILER: dict[str, dict[str, Any]] = {
    "well": {},
    "quickly": {"xla_backend_optimization_level": 1},
}
# With jaxlib 0.10 a program of many small batched products (training_variants) ends in a
# segmentation fault inside YNNPACK fusions; without them no sweep here was slower.
_WITHOUT_FUSIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


class Programs:
    """Compiles what the groups of one plan need, each program once.

    Args:
        experiment: the experiment.
        plan: its plan.
        devices: the devices to spread chunks over.
        precision: ``"float32"`` or ``"float64"``.
    """

    def __init__(
        self, experiment: Experiment, plan: Plan, devices: Sequence[jax.Device], precision: str
    ) -> None:
        register(experiment.setting)
        self.experiment = experiment
        self.plan = plan
        self.precision = precision
        self.mesh = jax.sharding.Mesh(np.array(devices), (_AXIS,))
        self.n_devices = len(devices)
        self._seconds: list[float] = []
        self._n_compiled = 0
        self._shared: list[SharedResults] = []
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
        """Number of programs that these groups take, as far as it is known yet."""
        shares = self.experiment.shared is not None
        return len(set(map(_program_key, groups))) + max(len(self._shared), int(shares))

    def n_steps(self, n_lanes: int) -> int:
        """Number of steps that so many lanes take; a step is one chunk on every device."""
        return -(-self.plan.chunks(n_lanes) // self.n_devices)

    def lanes_of(self, lanes: np.ndarray, step: int) -> np.ndarray:
        """The lanes of a step of these lanes, (n_devices, chunk).

        Where the chunks do not fill the last step, its first chunk is computed again.
        """
        first, n_chunks = step * self.n_devices, self.plan.chunks(len(lanes))
        chunks = [first + device for device in range(self.n_devices)]
        return np.stack([self.plan.chunk(lanes, c if c < n_chunks else first) for c in chunks])

    def of(
        self,
        group: Group,
        coming: Sequence[Group] = (),
        waiting: Callable[[], None] = lambda: None,
    ) -> tuple[SharedResults | None, Program]:
        """What the lanes of a group share, and the program that measures them.

        `waiting` is called again and again until they are compiled.

        What is shared is known once it is traced, so that both programs are compiled side by side.
        Groups that are `coming` and share the same have theirs compiled meanwhile, on other cores.
        Of the programs that measure only the last that was used is held: the next group may need it
        too.
        """
        shared = self._shared_of(group)
        part = None if shared is None else shared.part
        key = _program_key(group)
        for one in [group, *(g for g in coming if self._known_shared(g) is shared)]:
            if not self._is_known(_program_key(one)):
                lane, example = self._measure_lane(one, part), self._example(part)
                self._ahead[_program_key(one)] = self._pool.submit(self._compiled, lane, example)
        if self._held is None or self._held[0] != key:
            self._held = key, _awaited(self._ahead[key], waiting)
            del self._ahead[key]
        if shared is not None:
            _awaited(shared.program, waiting)
        return shared, self._held[1]

    def memory_of(self, group: Group) -> Any:
        """What the compiler says of the memory that measuring a chunk of a group takes."""
        traced = self.traced(group)
        return traced.lower().compile(compiler_options=self._options(traced)).memory_analysis()

    def traced(self, group: Group) -> jax.stages.Traced:
        """The program that measures a group, not compiled yet."""
        shared = self.experiment.shared
        part = None if shared is None else traced_part(shared, self.plan, group)
        return self._trace(self._measure_lane(group, part), self._example(part))

    def _known_shared(self, group: Group) -> SharedResults | None:
        static = self.plan.static_values(group)
        return next((one for one in self._shared if one.part.fits(static)), None)

    def _shared_of(self, group: Group) -> SharedResults | None:
        """What a group shares; traced and handed to the compiler if no group before shares it."""
        if self.experiment.shared is None:
            return None
        known = self._known_shared(group)
        if known is None:
            part = traced_part(self.experiment.shared, self.plan, group)
            values = self.plan.program_values(np.zeros((self.n_devices, part.chunk), int))
            traced = self._trace(_named(lambda values: part.lane(_swept(values)), "shared"), values)
            program = self._pool.submit(self._finished, traced)
            known = SharedResults(part, program, self.plan, self.n_devices)
            self._shared.append(known)
        return known

    def _sharding(self) -> jax.sharding.NamedSharding:
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(_AXIS))

    def _example(self, part: SharedPart | None) -> Any:
        """What a program that measures takes: values of traced fields, and leaves of the shared."""
        shape, sharding = (self.n_devices, self.plan.config.chunk), self._sharding()
        leaves = [
            jax.ShapeDtypeStruct((*shape, *leaf.shape), leaf.dtype, sharding=sharding)
            for leaf in (part.leaves if part else ())
        ]
        return self.plan.program_values(np.zeros(shape, int)), leaves

    def compute_shared(self, shared: SharedResults, lanes: np.ndarray) -> None:
        """Compute the results that these lanes share; those of other parts go if memory asks."""
        shared.compute(lanes)
        self._shared.remove(shared)
        self._shared.append(shared)  # in the order of their last use
        for other in self._shared[:-1]:
            if sum(one.n_bytes for one in self._shared) > _MOST_KEPT:
                other.forget()

    def close(self) -> None:
        """Give up what was to be compiled and is not needed any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_known(self, key: tuple[Any, ...]) -> bool:
        return key in self._ahead or (self._held is not None and self._held[0] == key)

    def _measure_lane(self, group: Group, part: SharedPart | None) -> Program:
        experiment, static = self.experiment, self.plan.static_values(group)

        def measure(at: tuple[dict[str, Any], list[Any]]) -> Any:
            values, leaves = at
            setting = self.plan.config.setting(static | _swept(values))
            whole = None if part is None else part.whole(leaves)
            return self._checked(results(experiment.measured(setting, whole), experiment.name))

        return measure

    def _compiled(self, lane_function: Program, example: Any) -> Program:
        with fixed_options(self.precision):  # in this thread of the pool
            traced = self._trace(lane_function, example)
        return self._finished(traced)

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
        with fixed_options(self.precision):  # which lowering reads too, in whatever thread it runs
            program = traced.lower().compile(compiler_options=self._options(traced))
        self._seconds.append(time.perf_counter() - started)
        self._n_compiled += 1
        return program

    def _options(self, traced: jax.stages.Traced) -> dict[str, Any]:
        """The options of XLA; those in XLA_FLAGS are left as the user has set them.

        They go by the lanes of the whole sweep, however many are left: so do the bits.
        """
        n_chunks = self.plan.chunks(self.plan.n_lanes)
        options = _COMPILER[self.experiment.compile]
        options = options | compiling.options(n_chunks * compiling.work_of(traced.jaxpr))
        if metadata.version("jaxlib").startswith("0.10."):
            options = options | _WITHOUT_FUSIONS
        flags = xla_flags()
        return {name: value for name, value in options.items() if name not in flags}

    def _checked(self, values: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        names = set(self.plan.variables)
        if set(values) != names:
            raise ValueError(f"expected measure() to return {sorted(names)}, got {sorted(values)}")
        for name, value in values.items():
            shape, dims = self.plan.inner_shape(name), self.plan.variables[name].dims
            if np.shape(value) != shape:
                message = f"expected {name!r} of shape {shape} {dims}, got {np.shape(value)}"
                raise ValueError(f"measure(): {message}")
        return dict(values)


def _awaited(program: Future[Program], waiting: Callable[[], None]) -> Program:
    while not program.done():
        waiting()
        wait([program], _GLANCE)
    return program.result()


def _program_key(group: Group) -> tuple[Any, ...]:
    return tuple(group.static.items())


def _swept(values: dict[str, Any]) -> dict[str, Any]:
    """The values of the traced fields, without the index that stands for them if there are none."""
    return {name: value for name, value in values.items() if name}


def _named(function: Program, name: str) -> Program:
    function.__name__ = name
    return function
