"""The one place where a mask becomes what is computed.

The mask weighs the losses of the steps. A sequence ends with its last step of weight, L:

  L = max {t : mask_t != 0}                                      (1)

Steps behind L are padding: they have no input, no target and no state of their own, whatever stands
there (NaN, inf), and everything is measured as if the arrays ended at L. Steps before L whose
weight is 0 are steps of the sequence all the same: their inputs drive the state, and only their
targets are not looked at. Lengths may differ between sequences under `vmap`. A sequence that goes
on behind its last weight says so in `Batch.counts`.

What is not used is replaced before it is used, by what stands at L: a derivative of 0 through a
number that is not finite would be NaN.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array, Batch


def length(mask: Array) -> Array:
    """Return L of equation (1), int32 (); 0 where no step has weight.

    Args:
      mask: weights, (T,).
    """
    return jnp.max(jnp.where(mask != 0, jnp.arange(1, len(mask) + 1, dtype=jnp.int32), 0))


def counted(mask: Array) -> Array:
    """Return which steps belong to the sequence, bool (T,): those up to L."""
    return jnp.arange(len(mask), dtype=jnp.int32) < length(mask)


def up_to_length(by_lag: Array, mask: Array) -> Array:
    """Return what was measured at the lags 0..T, (T+1,), NaN beyond the length L of a sequence."""
    n = length(mask)
    lags = jnp.arange(len(by_lag), dtype=jnp.int32)
    return jnp.where((lags <= n) & (n > 0), by_lag, jnp.nan)


def by_lag(by_time: Array, mask: Array) -> Array:
    """Return what stands at t = L - k at the lags k = 0..T, NaN beyond the length L.

    Args:
      by_time: of t = 0..T, (T+1,).
      mask: weights, (T,).
    """
    lags = jnp.arange(len(by_time), dtype=jnp.int32)
    return up_to_length(by_time[jnp.maximum(length(mask) - lags, 0)], mask)


def at_the_end(tree: Any, mask: Array) -> Any:
    """Return stacked arrays, (T, ...), moved in time so that the last step that counts is the last.

    What has no place falls away, and the first step fills what is free.
    """
    first = length(mask) - len(mask)

    def moved(a: Array) -> Array:
        filled = jnp.concatenate([jnp.broadcast_to(a[:1], a.shape), a])
        return jax.lax.dynamic_slice_in_dim(filled, len(a) + first, len(a))

    return jax.tree.map(moved, tree)


def last(counts: Array) -> Array:
    """Return the index of the last step that counts, int32 (); 0 where none does.

    Args:
      counts: bool, (T,).
    """
    return jnp.max(jnp.where(counts, jnp.arange(len(counts), dtype=jnp.int32), 0))


def held(tree: Any, counts: Array) -> Any:
    """Return stacked arrays whose rows that do not count repeat the last one that does.

    Args:
      tree: leaves (T, ...).
      counts: bool, (T,).
    """
    end = last(counts)

    def one(a: Array) -> Array:
        mine = jax.lax.expand_dims(counts, range(1, a.ndim))
        return jnp.where(mine, a, jax.lax.dynamic_index_in_dim(a, end, keepdims=True))

    return jax.tree.map(one, tree)


def cut(batch: Batch) -> Batch:
    """Return a sequence with nothing behind its end, which is written down in its `counts`."""
    counts = counted(batch.mask) if batch.counts is None else batch.counts
    mask = jnp.where(counts, batch.mask, 0)
    return Batch(held(batch.x, counts), held(batch.y, counts), mask, counts)


def of_weight(a: Array, mask: Array) -> Array:
    """Return a stack (T, ...) in which steps without weight repeat one that has weight.

    Where no step has weight all rows are 0.
    """
    weighs = mask != 0
    stand_in = jnp.where(jnp.any(weighs), a[last(weighs)], 0)
    return jnp.where(jax.lax.expand_dims(weighs, range(1, a.ndim)), a, stand_in[None])
