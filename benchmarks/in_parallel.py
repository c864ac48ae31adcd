"""Sequences solved in parallel beside the scan, and gradients of one update ago beside exact ones.

Newton's method with an associative scan (`rnnjax.parallel`) against the scan over time: tanh
networks that forget (gain 0.5) and that hardly do (gain 1.5), and a diagonal recurrence, which is
linear. Cells that are linear in their state by an associative scan alone, over units and steps. And
the stale delta-x, which sends everything back at once, against the scan backward of BPTT; what it
gives is another gradient, so no difference is told.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp

import rnnjax
from benchmarks import harness
from rnnjax import parallel, rules, scaled, scan
from rnnjax.tasks import Adding

_N_X = 2


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield networks over units and gain, diagonal recurrences over the length, and gradients."""
    n_steps = 100 if quick else 1000
    for n_h in (4,) if quick else (4, 16, 64):
        for gain in (0.5, 1.5):
            cell = rnnjax.Vanilla(_N_X, n_h, 1, gain=gain)
            name = f"tanh, n_h {n_h}, gain {gain:g}"
            yield lambda cell=cell, name=name: _states(name, cell, n_steps)
    for length in (100,) if quick else (10**3, 10**5):
        cell = rnnjax.LRU(_N_X, 64, 1)
        yield lambda cell=cell, length=length: _states("diagonal, n_h 64", cell, length)
    for cell, lengths in _linear(quick):
        for length in lengths:
            yield lambda cell=cell, length=length: _linear_states(cell, length)
    for length in (16,) if quick else (100, 1000):
        yield lambda length=length: _gradients(length)


def _states(name: str, cell: rnnjax.types.Cell, n_steps: int) -> harness.Case:
    params = cell.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (n_steps, _N_X))
    solve = harness.compiled(lambda params, x: parallel.unroll(cell, params, x), params, x)
    n_iterations = int(solve.run().n_iterations)
    return harness.Case(
        f"states by Newton's method ({n_iterations} iterations), {name}, T {n_steps}",
        solve,
        {
            "scan": harness.compiled(
                lambda p, x: scaled.plain(scan.unroll(cell, p, x).states), params, x
            )
        },
        lambda results: _largest(results["rnnjax"].states - results["scan"]),
        "largest difference of a state from that of the scan",
    )


def _linear(quick: bool) -> list[tuple[rnnjax.types.Cell, tuple[int, ...]]]:
    """Return cells that are linear in their state, and the lengths at which they are measured."""
    cells = rnnjax.cells
    if quick:
        return [(cells.MinGRU(_N_X, 4), (100,)), (cells.DeltaNet(_N_X, 3), (100,))]
    vectors = [(cells.MinGRU(_N_X, n), (10**3, 10**4, 10**5)) for n in (16, 64, 256)]
    return [*vectors, *[(cells.DeltaNet(_N_X, n), (10**3, 10**4)) for n in (8, 32)]]


def _linear_states(cell: rnnjax.types.Cell, n_steps: int) -> harness.Case:
    params = cell.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (n_steps, _N_X))
    return harness.Case(
        f"states by an associative scan, {type(cell).__name__}, {cell.n_h} entries, T {n_steps}",
        harness.compiled(lambda p, x: parallel.linear_states(cell, p, x), params, x),
        {
            "plain scan of its steps": harness.compiled(lambda p, x: _plain(cell, p, x), params, x),
            "scan.unroll": harness.compiled(lambda p, x: scan.unroll(cell, p, x).plain, params, x),
        },
        lambda results: _largest(results["rnnjax"] - results["scan.unroll"]),
        "largest difference of a state from that of the scan",
    )


def _plain(cell: rnnjax.types.Cell, params, x: jax.Array) -> jax.Array:
    def step(h, x):
        h = cell.step(params, h, x)
        return h, h

    return jax.lax.scan(step, cell.initial_state(), x)[1]


def _gradients(n_steps: int) -> harness.Case:
    cell, task, n_batch = rnnjax.Vanilla(2, 64, 1), Adding(n_steps), 20
    params = cell.init(jax.random.key(0))
    batch = jax.vmap(task.sample)(jax.random.split(jax.random.key(1), n_batch))

    def side(rule) -> harness.Side:
        state = jax.vmap(lambda b: rule.init(cell, params, b, None))(batch)

        def gradient(params, batch, state):
            out = jax.vmap(lambda b, s: rule(cell, task.loss, params, b, s))(batch, state)
            return scaled.plain(scaled.sum_over_leading(out.grads))

        return harness.compiled(gradient, params, batch, state)

    return harness.Case(
        f"gradient by stale delta-x, n_h 64, T {n_steps}, {n_batch} sequences",
        side(rnnjax.decks.StaleDeltaX()),
        {"BPTT": side(rules.BPTT())},
    )


def _largest(array) -> float:
    return float(jnp.max(jnp.abs(array)))
