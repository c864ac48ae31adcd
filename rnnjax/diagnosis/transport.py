"""The gradient by lag, and the lag from which it is lost in the dtypes of frameworks.

What enters the state at the last step goes back through the recurrence alone,

  v_T = g_T,   v_{t-1} = J_t^T v_t                                                       (1)

once scale-free, and beside it as plain numbers rounded to each dtype after every step, as a
framework that computes in this dtype carries it. Where the loss is read from the last step only,
v_t is dL/dh_t.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class Format(NamedTuple):
    """A floating-point format: bits of exponent and mantissa, and the smallest normal number."""

    name: str
    exponent_bits: int
    mantissa_bits: int

    def rounded(self, values: Array) -> Array:
        """Return values as the format holds them; what is below the normal range becomes 0."""
        if jnp.iscomplexobj(values):
            return jax.lax.complex(self.rounded(values.real), self.rounded(values.imag))
        smallest = 2.0 ** (2 - 2 ** (self.exponent_bits - 1))
        kept = jax.lax.reduce_precision(values, self.exponent_bits, self.mantissa_bits)
        return jnp.where(jnp.abs(kept) < smallest, jnp.zeros_like(kept), kept)


# Subnormal numbers count as 0, as XLA has them on a CPU.
FORMATS = (Format("float32", 8, 23), Format("bfloat16", 8, 7), Format("float16", 5, 10))


def transport(r: Recurrence) -> dict[str, Array]:
    """Measure the gradient by lag of one layer, equation (1).

    Returns:
      ``log_norm_by_lag``: natural logs, (T+1,), lag 0 first, NaN beyond the first step;
      ``log_norm_by_step``: ln |dL/dh_t| of the whole loss at t = 1..T, (T,);
      ``last_step``: int32 (); ``zero_lag_FORMAT``, ``overflow_lag_FORMAT``: the first lag at which
      the gradient reads 0, or is not finite, in a format, int32 (), -1 if at none.
    """
    last = steps.last_step(r)
    logs, zeros, overflows = _back(r, last)
    found = {
        "log_norm_by_lag": steps.by_lag(logs, last),
        "log_norm_by_step": steps.log_norms(r.deltas),
        "last_step": last,
    }
    for i, form in enumerate(FORMATS):
        zero = steps.by_lag(zeros[:, i], last, False)
        # What is exactly 0 without any rounding is not lost by a format.
        lost = zero & ~jnp.isneginf(found["log_norm_by_lag"])
        found[f"zero_lag_{form.name}"] = steps.first_true(lost)
        overflow = steps.by_lag(overflows[:, i], last, False)
        # Nor does a format overflow where no format would hold a number.
        overflow &= ~jnp.isnan(found["log_norm_by_lag"])
        found[f"overflow_lag_{form.name}"] = steps.first_true(overflow)
    return found


def _back(r: Recurrence, last: Array) -> tuple[Array, Array, Array]:
    """Return ln |v_t|, and whether v_t is 0 or not finite in each format, at t = 0..T."""
    number = scaled.renormalise(jax.tree.map(lambda a: a[jnp.maximum(last - 1, 0)], r.source))
    plain = scaled.plain(number)
    start = (number, [form.rounded(plain) for form in FORMATS])
    nothing = jax.tree.map(jnp.zeros_like, start)

    def one(state: Any, at: Any) -> tuple[Any, Any]:
        h, t = at
        state = jax.tree.map(lambda a, b: jnp.where(t + 1 == last, a, b), start, state)
        exact, rounded = state
        _, pull = jax.vjp(lambda h: steps.new_state(r, r.params, h, t), h)
        before = jax.vmap(lambda v: pull(v)[0])(jnp.stack([exact.value, *rounded]))
        exact_before = scaled.normalise(before[0], exact.exponent)
        rounded_before = [f.rounded(v) for f, v in zip(FORMATS, before[1:], strict=True)]
        return (exact_before, rounded_before), state

    at = (r.states[:-1], steps.numbers(r))
    first, behind = jax.lax.scan(one, nothing, at, reverse=True)
    exact, rounded = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, behind)
    stacked = jnp.stack(rounded, axis=1)
    zeros = jnp.all(stacked == 0, axis=-1)
    return steps.log_norms(exact), zeros, ~jnp.all(jnp.isfinite(stacked), axis=-1)


def along(r: Recurrence, step: Callable[[Array, Array], Array]) -> Array:
    """Return ln |v_{T-k}| by lag k, (T+1,), of a changed recurrence h_t = step(h_{t-1}, t)."""
    last = steps.last_step(r)
    start = scaled.renormalise(jax.tree.map(lambda a: a[jnp.maximum(last - 1, 0)], r.source))

    def forward(h: Array, t: Array) -> tuple[Array, Array]:
        return step(h, t), h

    _, before = jax.lax.scan(forward, r.states[0], steps.numbers(r))

    def back(v: Scaled, at: Any) -> tuple[Scaled, Scaled]:
        h, t = at
        v = jax.tree.map(lambda a, b: jnp.where(t + 1 == last, a, b), start, v)
        _, pull = jax.vjp(lambda h: step(h, t), h)
        return scaled.normalise(pull(v.value)[0], v.exponent), v

    nothing = jax.tree.map(jnp.zeros_like, start)
    first, behind = jax.lax.scan(back, nothing, (before, steps.numbers(r)), reverse=True)
    every = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, behind)
    return steps.by_lag(steps.log_norms(every), last)
