"""The weight gradient of one batch through the cells in use today, beside `jax.grad` of a scan.

Both sides run the same steps of the same cell, one program each. rnnjax carries the gradient
backward scale-free (`rules.BPTT`); the peer is what a user writes: `jax.grad` of the mean loss of
a `vmap` over sequences of a `lax.scan` over `cell.step`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

import rnnjax
from benchmarks import harness
from rnnjax import cells, rules, scaled
from rnnjax.tasks import Adding

_CELLS = ("Vanilla", "LSTM", "GRU", "LRU", "CoRNN", "SLSTM", "MinGRU", "MinLSTM", "RGLRU")


def cases(quick: bool) -> Iterator[Callable[[], harness.Case]]:
    """Yield one case for each cell."""
    n, length, n_batch = (3, 10, 2) if quick else (64, 300, 20)
    for name in _CELLS[:2] if quick else _CELLS:
        yield lambda name=name: _case(getattr(cells, name)(2, n, 1), name, length, n_batch)


def _case(cell: rnnjax.types.Cell, name: str, length: int, n_batch: int) -> harness.Case:
    task = Adding(length)
    params = cell.init(jax.random.key(0))
    batch = jax.vmap(task.sample)(jax.random.split(jax.random.key(1), n_batch))

    def ours(params: Any, batch: rnnjax.Batch) -> Any:
        return scaled.plain(rules.BPTT().batch_gradient(cell, task.loss, params, batch).grads)

    def plain(params: Any, batch: rnnjax.Batch) -> Any:
        return jax.grad(lambda p: jnp.mean(jax.vmap(lambda b: _loss(cell, task, p, b))(batch)))(
            params
        )

    return harness.Case(
        f"weight gradient, {name}, {cell.n_h} state entries, T {length}, {n_batch} sequences",
        harness.compiled(ours, params, batch),
        {"plain JAX": harness.compiled(plain, params, batch)},
        harness.relative("plain JAX", lambda grads: ravel_pytree(grads)[0]),
        "largest difference of an entry of the gradient, over the largest entry",
    )


def _loss(cell: rnnjax.types.Cell, task: Adding, params: Any, batch: rnnjax.Batch) -> jax.Array:
    def step(h: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        h = cell.step(params, h, x)
        return h, h

    h = jax.lax.scan(step, cell.initial_state(), batch.x)[1]
    y = jax.vmap(lambda h: cell.readout(params, h))(h)
    return jnp.sum(batch.mask * jax.vmap(task.loss)(y, batch.y))
