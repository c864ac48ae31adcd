"""One step of a recurrence, its derivative and its place in the sequence, for all measurements."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.jaxprs import Recurrence
from rnnjax.types import Array


def new_state(r: Recurrence, params: Any, h: Array, t: Array) -> Array:
    """Return h_t (n,) from h_{t-1} (n,); t counts from 0, int32 ()."""
    return r.cell.step(params, h, t[None].astype(r.batch.x.dtype))


def numbers(r: Recurrence) -> Array:
    """Return the numbers of the steps, from 0, int32 (T,)."""
    return jnp.arange(r.length, dtype=jnp.int32)


def last_step(r: Recurrence) -> Array:
    """Return the last step t = 1..T at which something of the loss enters, int32 (); 0 if none."""
    enters = ~scaled.is_zero(scaled.renormalise(r.source).exponent)
    return jnp.max(jnp.where(enters, numbers(r) + 1, 0))


def counted(r: Recurrence) -> Array:
    """Return which steps are not behind the last one, bool (T,): those that nothing reads are."""
    return numbers(r) < last_step(r)


def mean(values: Array, counts: Array) -> Array:
    """Return the mean of rows (T, n) over the counted steps, (n,); NaN if there are none."""
    return jnp.sum(jnp.where(counts[:, None], values, 0), axis=0) / jnp.sum(counts)


def by_lag(by_time: Array, last: Array, missing: Any = jnp.nan) -> Array:
    """Return values at t = 0..T, (T+1, ...), by lag 0..T behind the last step."""
    lags = jnp.arange(len(by_time), dtype=jnp.int32)
    values = by_time[jnp.maximum(last - lags, 0)]
    there = jax.lax.expand_dims((lags <= last) & (last > 0), range(1, values.ndim))
    return jnp.where(there, values, missing)


def first_true(truths: Array) -> Array:
    """Return the first index at which a row is true, int32 (); -1 if there is none."""
    return jnp.where(jnp.any(truths), jnp.argmax(truths), -1).astype(jnp.int32)


def log_norms(number: Any) -> Array:
    """Return ln of the norms of a stack of `Scaled` vectors, (T,), NaN where not finite."""
    finite = jnp.all(jnp.isfinite(number.value), axis=-1)
    return jnp.where(finite, scaled.log_norm(number), jnp.nan)
