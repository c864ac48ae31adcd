"""The only module that derives the length of a sequence from its mask and replaces padding.

The mask holds the weight of each step's loss. The length L of a sequence is its last step with a
non-zero weight:

  L = max {t : mask_t != 0}                                      (1)

Steps after L are padding: their inputs, targets and states are ignored, even if they are NaN or
inf, and all results are those of arrays that end at L. Steps before L with weight 0 belong to the
sequence: their inputs drive the state, and only their targets are ignored. Lengths may differ
between sequences under `vmap`. For a sequence that continues after its last non-zero weight,
`Batch.counts` states which steps belong to it.

Ignored values are replaced by those at L before any computation, because a derivative of 0
multiplied by a non-finite number would be NaN.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array, Batch


def length(mask: Array) -> Array:
    """Return L of equation (1), int32 (); 0 if all weights are 0.

    Args:
      mask: weights, (T,).
    """
    return jnp.max(jnp.where(mask != 0, jnp.arange(1, len(mask) + 1, dtype=jnp.int32), 0))


def counted(mask: Array) -> Array:
    """Return which steps belong to the sequence, bool (T,): those up to L."""
    return jnp.arange(len(mask), dtype=jnp.int32) < length(mask)


def last_of_weight(mask: Array) -> Array:
    """Return the index of step L, int32 (); 0 if all weights are 0."""
    return jnp.maximum(length(mask) - 1, 0)


def up_to_length(by_lag: Array, mask: Array) -> Array:
    """Return values by lag 0..T, (T+1,), with NaN at lags beyond the length L, at all if L is 0."""
    n = length(mask)
    lags = jnp.arange(len(by_lag), dtype=jnp.int32)
    return jnp.where((lags <= n) & (n > 0), by_lag, jnp.nan)


def by_lag(by_time: Array, mask: Array) -> Array:
    """Return the values at t = L - k for the lags k = 0..T, NaN at lags beyond L, at all if L = 0.

    Args:
      by_time: values at t = 0..T, (T+1,).
      mask: weights, (T,).
    """
    lags = jnp.arange(len(by_time), dtype=jnp.int32)
    return up_to_length(by_time[jnp.maximum(length(mask) - lags, 0)], mask)


def last(counts: Array) -> Array:
    """Return the index of the last True entry, int32 (); 0 if there is none.

    Args:
      counts: bool, (T,).
    """
    return jnp.max(jnp.where(counts, jnp.arange(len(counts), dtype=jnp.int32), 0))


def held(tree: Any, counts: Array, end: Array) -> Any:
    """Return stacked arrays in which rows outside `counts` repeat the last row inside it.

    Args:
      tree: leaves (T, ...).
      counts: bool, (T,).
      end: the last row inside it, ().
    """

    def one(a: Array) -> Array:
        mine = jax.lax.expand_dims(counts, range(1, a.ndim))
        return jnp.where(mine, a, jax.lax.dynamic_index_in_dim(a, end, keepdims=True))

    return jax.tree.map(one, tree)


def cut(batch: Batch) -> Batch:
    """Return a sequence with its padding replaced and its `counts` filled in.

    Where `counts` are not the first steps, which is unknown before a traced program runs, inputs
    and weights are NaN.
    """
    if batch.counts is None:  # then L alone is computed, and no weight is cut
        counts, end, mask = counted(batch.mask), last_of_weight(batch.mask), batch.mask
    else:
        counts, end = batch.counts, last(batch.counts)
        are_first = jnp.all(counts[1:] <= counts[:-1])
        mask = jnp.where(are_first, jnp.where(counts, batch.mask, 0), jnp.nan)
    x = held(batch.x, counts, end)
    if batch.counts is not None and jnp.issubdtype(x.dtype, jnp.inexact):
        x = jnp.where(are_first, x, jnp.nan)
    return Batch(x, held(batch.y, counts, end), mask, counts)


def of_weight(a: Array, mask: Array) -> Array:
    """Return a stack (T, ...) in which rows without weight repeat the last row with weight.

    If no step has weight, all rows are 0.
    """
    weighs = mask != 0
    stand_in = jnp.where(jnp.any(weighs), a[last(weighs)], 0)
    return jnp.where(jax.lax.expand_dims(weighs, range(1, a.ndim)), a, stand_in[None])
