"""Sides whose work is done by processes of one core and one thread each, the same for every side.

XLA, PyTorch and NumPy spread one program over a machine in ways of their own; processes of one
thread compare the programs and not these ways.

A row "one core" gives one process its share of the work, as many shares as the machine has cores; a
row "whole machine" runs all shares at once. Every process is bound to its core.
"""

import importlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.harness import Side, compiled
from rnnjax.sweep import backend


class Share(NamedTuple):
    """One of n equal parts of the work, i from 0."""

    i: int
    n: int

    def of(self, array: Any) -> Any:
        """Return this part of an array along its first axis."""
        return np.array_split(array, self.n)[self.i]


def rows() -> dict[str, int]:
    """Return how many processes work, by the name of the row."""
    return {"one core": 1, "whole machine": backend.cores()}


def side(module: str, function: str, *args: Any, n: int) -> Side:
    """Return a side whose first n shares are done by n processes.

    `function(*args, share=share)` of the module returns the side of a share, in its process. The
    result is the list of theirs, and the time includes sending them.
    """
    n_shares = backend.cores()
    started = time.perf_counter()
    with _environment(NPROC="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
        crew = [
            ProcessPoolExecutor(
                1, get_context("spawn"), _prepare, (module, function, args, Share(i, n_shares))
            )
            for i in range(n)
        ]
        facts = [ready.result() for ready in [one.submit(_facts) for one in crew]]
    first = time.perf_counter() - started - max(chosen for *_, chosen in facts)
    scale, share, compile_seconds, megabytes, _ = facts[0]
    return Side(
        lambda: [done.result() for done in [one.submit(_run_share) for one in crew]],
        scale=scale,
        share=share,
        compile_seconds=compile_seconds,
        first_seconds=first,
        planned_megabytes=megabytes and n * megabytes,
    )


def gemm_gflop_per_second(n: int) -> float:
    """Return the rate of n processes that multiply large matrices at once, the peak of a row."""
    products = side("benchmarks.crew", "large_products", n=n)
    return n * _PRODUCTS * 2.0 * _LARGE**3 / _median_seconds(products, 5) / 1e9


def on_one_core(i: int) -> None:
    """Bind this process to the i-th core and configure JAX for it, without a cache of programs."""
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[i]})
    backend.configured(1, "float32")
    jax.config.update("jax_enable_compilation_cache", False)  # compile times are of a first run


def large_products(*, share: Share) -> Side:
    """Return some products of matrices that fit the cache, of which nothing is sent."""
    X = jax.random.normal(jax.random.key(share.i), (_LARGE, _LARGE))
    one = compiled(lambda X: X @ X, X)

    def run() -> int:
        for _ in range(_PRODUCTS):
            one.run()
        return _PRODUCTS

    return Side(run)


def fastest(layouts: Mapping[str, Callable[[], Side]], n_rounds: int = 3) -> Side:
    """Return the layout that takes least, a side's best, its name added to `share`."""
    began = time.perf_counter()
    sides = {name: make() for name, make in layouts.items()}
    seconds = {name: _median_seconds(one, n_rounds) for name, one in sides.items()}
    best = min(seconds, key=lambda name: seconds[name])
    found = sides[best]
    found.share = "; ".join(filter(None, (found.share, best)))
    # What the choice took is no part of the time to the first number.
    whole = time.perf_counter() - began
    found.chosen_seconds = whole - (found.compile_seconds or 0) - seconds[best]
    return found


def _median_seconds(one: Side, n_rounds: int) -> float:
    one.run()
    found = []
    for _ in range(n_rounds):
        started = time.perf_counter()
        one.run()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


_LARGE, _PRODUCTS = 1024, 10  # rows of a matrix whose products reach the peak, and how many
_share: list[Side] = []


def _prepare(module: str, function: str, args: tuple, share: Share) -> None:
    on_one_core(share.i)
    _share.append(getattr(importlib.import_module(module), function)(*args, share=share))
    _share[0].run()


def _facts() -> tuple[float, str, float | None, float | None, float]:
    one = _share[0]
    return one.scale, one.share, one.compile_seconds, one.planned_megabytes, one.chosen_seconds


def _run_share() -> Any:
    return jax.tree.map(np.asarray, _share[0].run())


@contextmanager
def _environment(**names: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
