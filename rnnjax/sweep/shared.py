"""What cells share: computed once for all cells that agree in the fields that it reads.

`shared(setting)` of an experiment is traced with a setting that records. Groups which agree in the
static fields it reads run the same program. Where it reads few of the traced fields, so that at
least two lanes share each result, every result is computed once and kept; else it is computed with
the chunk of lanes that needs it. Which of the two, and how many are computed together, depends on
the config alone: so do the bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnjax.lazy import jax
from rnnjax.sweep.inferred import shared_results
from rnnjax.sweep.plan import Group, Plan
from rnnjax.sweep.reading import recording

_PARTS = 4  # chunks into which kept results are cut at least, for several devices


@dataclass(frozen=True)
class SharedPart:
    """The traced `shared` of some groups.

    Args:
        static: the static fields that it reads, with their values.
        traced: the names of the swept traced fields that it reads.
        lane: (values of the traced fields) -> leaves of one result, random keys as plain numbers.
        structure: of the results.
        leaves: shapes and dtypes of the leaves.
        keys: the implementation of the leaves that are random keys, None for the others.
        is_kept: whether results are kept for all lanes that share them.
        chunk: results that are computed together.
    """

    static: Mapping[str, Any]
    traced: tuple[str, ...]
    lane: Callable[[Any], list[Any]]
    structure: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    keys: tuple[Any, ...]
    is_kept: bool
    chunk: int

    def fits(self, static: Mapping[str, Any]) -> bool:
        """Whether it is also that of a group with these values of the static fields."""
        return all(static.get(name, value) == value for name, value in self.static.items())

    def whole(self, leaves: list[Any]) -> Any:
        """The result that `shared` returned, from its leaves."""
        found = [
            leaf if key is None else jax.random.wrap_key_data(leaf, impl=key)
            for leaf, key in zip(leaves, self.keys, strict=True)
        ]
        return jax.tree.unflatten(self.structure, found)


def traced_part(shared: Callable[[Any], Any], plan: Plan, group: Group) -> SharedPart:
    """Trace `shared` for the lanes of a group.

    Raises:
        ConfigError: it returns what `shared_results` refuses.
    """
    static = plan.static_values(group)
    read: set[str] = set()
    seen: list[Any] = []

    def lane(values: dict[str, Any]) -> list[Any]:
        setting, names = recording(plan.config.setting(static | values))
        leaves, structure = shared_results(shared(setting))
        read.update(names)
        keys = tuple(map(_key_implementation, leaves))
        seen[:] = [structure, keys]
        return [_plain(leaf, key) for leaf, key in zip(leaves, keys, strict=True)]

    swept = plan.traced_values(group.lanes[:1])
    closed = jax.make_jaxpr(lane)(_one(swept))
    evaluate = jax.extend.core.jaxpr_as_fun(closed)
    leaves = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in closed.out_avals]
    n_results = plan.n_distinct(read)
    is_kept = 2 * n_results <= plan.n_lanes
    return SharedPart(
        {name: static[name] for name in read & set(static)},
        tuple(name for name in swept if name in read),
        lambda values: evaluate(*jax.tree.leaves(values)),
        seen[0],
        tuple(leaves),
        seen[1],
        is_kept,
        min(plan.config.chunk, -(-n_results // _PARTS)) if is_kept else plan.config.chunk,
    )


def _one(values: Mapping[str, np.ndarray]) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        name: jax.ShapeDtypeStruct((), jax.dtypes.canonicalize_dtype(array.dtype))
        for name, array in values.items()
    }


def _key_implementation(leaf: Any) -> Any:
    dtype = getattr(leaf, "dtype", None)
    is_key = dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
    return jax.random.key_impl(leaf) if is_key else None


def _plain(leaf: Any, key: Any) -> Any:
    return jax.numpy.asarray(leaf) if key is None else jax.random.key_data(leaf)


class SharedResults:
    """The results of one part; where they are kept, those of the lanes that were computed last.

    Args:
        part: the part.
        program: the compiled part, over (n_devices, part.chunk) lanes.
        plan: the plan.
        n_devices: number of devices.
    """

    def __init__(
        self, part: SharedPart, program: Future[Callable[[Any], Any]], plan: Plan, n_devices: int
    ) -> None:
        self.part = part
        self.program = program
        self._plan = plan
        self._n_devices = n_devices
        self._numbers = np.zeros(0, np.int64)  # of the combinations whose results are kept
        self._kept: list[np.ndarray] = []

    def compute(self, lanes: np.ndarray) -> None:
        """Compute the results that these lanes share, unless they are those that are kept."""
        if not self.part.is_kept:
            return
        distinct = self._plan.distinct(lanes, self.part.traced)
        numbers, first = np.unique(distinct, return_index=True)
        if np.array_equal(numbers, self._numbers):
            return
        rows = _rows(lanes[first], self._n_devices, self.part.chunk)
        steps = [self.program.result()(self._plan.program_values(row)) for row in rows]
        self._kept = [
            np.concatenate([np.asarray(leaf).reshape(-1, *leaf.shape[2:]) for leaf in of_steps])
            for of_steps in zip(*steps, strict=True)
        ]
        self._numbers = numbers

    @property
    def n_bytes(self) -> int:
        """Bytes of the results that are kept."""
        return sum(leaf.nbytes for leaf in self._kept)

    def forget(self) -> None:
        """Keep no results."""
        self._numbers, self._kept = self._numbers[:0], []

    def at(self, lanes: np.ndarray) -> list[Any]:
        """The leaves of the results at lanes (n_devices, chunk), which `compute` has been given."""
        if not self.part.is_kept:
            return self.program.result()(self._plan.program_values(lanes))
        places = np.searchsorted(self._numbers, self._plan.distinct(lanes, self.part.traced))
        return [leaf[places] for leaf in self._kept]


def _rows(lanes: np.ndarray, n_devices: int, chunk: int) -> list[np.ndarray]:
    """Lanes in rows of (n_devices, chunk); what is left over repeats the first lane of its row."""
    size = n_devices * chunk
    rows = []
    for start in range(0, len(lanes), size):
        own = lanes[start : start + size]
        filled = np.concatenate([own, np.full(size - len(own), own[0])])
        rows.append(filled.reshape(n_devices, chunk))
    return rows
