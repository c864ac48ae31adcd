"""One step of a recurrence, its derivative and its place in the sequence, for all measurements."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import holomorphic, scaled
from rnnjax.every_branch import every_branch
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.cell import layout_of
from rnnjax.types import Array

_KNOWN, _MANY = "_held", 32


def new_state(r: Recurrence, params: Any, h: Array, t: Array) -> Array:
    """Return h_t (n,) from h_{t-1} (n,); t counts from 0, int32 ()."""
    return r.cell.step(params, h, t[None].astype(r.batch.x.dtype))


def as_state(r: Recurrence, vector: Array) -> Array:
    """Return a vector (..., n) as a state can be: beside complex leaves, real ones stay real."""
    layout = layout_of(r.cell.loop)
    if not jnp.issubdtype(layout.dtype, jnp.complexfloating):
        return vector
    return layout.pack(layout.own_parts(vector), n_leading=vector.ndim - 1)


class Motion(NamedTuple):
    """A recurrence whose step has one Jacobian, a matrix: real where the step is not holomorphic.

    Attributes:
      states: h_0..h_T, (T+1, m).
      step: (h_{t-1}, t from 0) -> h_t, (m,).
    """

    states: Array
    step: Callable[[Array, Array], Array]


def motion(r: Recurrence) -> Motion:
    """Return a recurrence in the numbers that its Jacobians act on, `n_directions` of them.

    A complex state whose step is not holomorphic is its real parts and then the imaginary parts
    of its complex leaves.
    """
    if not _needs_reals(r):
        return Motion(r.states, lambda h, t: new_state(r, r.params, h, t))
    moving = np.flatnonzero(_are_complex(r))
    n = r.states.shape[1]

    def split(h: Array) -> Array:
        return jnp.concatenate([h.real, h.imag[..., moving]], axis=-1)

    def joined(v: Array) -> Array:
        return jax.lax.complex(v[:n], jnp.zeros(n, v.dtype).at[moving].set(v[n:]))

    return Motion(split(r.states), lambda v, t: split(new_state(r, r.params, joined(v), t)))


def n_directions(r: Recurrence) -> int:
    """Return the number of rows of a Jacobian: of its Lyapunov exponents, if all are measured."""
    extra = int(np.sum(_are_complex(r))) if _needs_reals(r) else 0
    return int(r.states.shape[1]) + extra


def _needs_reals(r: Recurrence) -> bool:
    if not jnp.issubdtype(r.states.dtype, jnp.complexfloating):
        return False
    cell: Any = r.cell
    x: Any = jax.ShapeDtypeStruct(r.batch.x.shape[1:], r.batch.x.dtype)
    return not holomorphic.is_holomorphic(cell, r.params, x)


def _are_complex(r: Recurrence) -> np.ndarray:
    """Return which entries of the state are complex, bool (n,)."""
    layout = layout_of(r.cell.loop)
    kinds = [jnp.issubdtype(dtype, jnp.complexfloating) for dtype in layout.dtypes]
    return np.repeat(kinds, layout.sizes)


def numbers(r: Recurrence) -> Array:
    """Return the numbers of the steps, from 0, int32 (T,)."""
    return jnp.arange(r.length, dtype=jnp.int32)


def last_step(r: Recurrence) -> Array:
    """Return the last step t = 1..T at which something of the loss enters, int32 (); 0 if none."""
    enters = ~scaled.is_zero(scaled.renormalise(r.source).exponent)
    return jnp.max(jnp.where(enters, numbers(r) + 1, 0))


def read(r: Recurrence) -> Array:
    """Return which steps are not behind the last one, bool (T,): those that nothing reads are."""
    return numbers(r) < last_step(r)


def counted(r: Recurrence) -> Array:
    """Return which steps are no padding, bool (T,): read, and not held by a mask."""
    return read(r) & ~held(r)


def own(r: Recurrence) -> Array:
    """Return the numbers of the steps that are no padding, then zeros, int32 (T,)."""
    return jnp.nonzero(counted(r), size=r.length, fill_value=0)[0].astype(jnp.int32)


def held(r: Recurrence) -> Array:
    """Return `_held`, once for each recurrence: all rows ask for it."""
    known = vars(r).get(_KNOWN)
    if known is None:
        known = _held(r)
        if not isinstance(known, jax.core.Tracer) or isinstance(r.states, jax.core.Tracer):
            vars(r)[_KNOWN] = known
    return known


def _held(r: Recurrence) -> Array:
    """Return which steps hand on any state whatever the weights are, bool (T,).

    A mask does that, ``where(t < length, new, h)``; a gate that is open far enough to keep h as it
    is does not. If all steps do, the state is a constant one, and none is padding.
    """
    # Constants: XLA may draw random numbers once more where it compares, and round others.
    generator = np.random.default_rng(0)
    drawn = [jnp.asarray(generator.standard_normal(w.shape), w.dtype) for w in r.params]
    h = jnp.asarray(generator.standard_normal(r.states.shape[1:]), r.states.dtype)
    h = as_state(r, h)

    # Many units do not all stay as they are by chance.
    scales = (1,) if h.size >= _MANY else (1, -1, 100, -100)

    def holds(t: Array) -> Array:
        # The mask depends on t alone: it is kept, and a relu that is silent is not silent any more.
        step = every_branch(lambda params, h: new_state(r, params, h, t))
        made = [step(tuple(scale * w for w in drawn), h) for scale in scales]
        return jnp.all(jnp.stack(made) == h[None])

    found = jax.vmap(holds)(numbers(r))
    return found & ~jnp.all(found)


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
