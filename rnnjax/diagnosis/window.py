"""What a truncated gradient keeps, for every window K from one pass.

Truncated to K steps, every loss is carried back through at most K states:

  u_t^(1) = g_t,   u_t^(k+1) = J_{t+1}^T u_{t+1}^(k),                                      (1)
  g_K = sum_{k<=K} sum_t (dh_t/dw)^T u_t^(k)                                               (2)

as `rules.BPTT(window=K)` has it. Each k adds one product with all Jacobians at once and one
contraction; where the loss is read at a few steps, of these steps k places earlier alone. Cosine
and norm share compare g_K with the whole gradient g.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import lanes, scaled
from rnnjax.diagnosis.weights import contracted, pullback
from rnnjax.jaxprs import Recurrence
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_FEW = 8  # steps at which the loss is read, up to which these alone are carried back


def windows(r: Recurrence, longest: int, tolerance: float) -> dict[str, Array]:
    """Measure cosine and norm share of the gradient truncated to K = 1..longest steps.

    Args:
      r: the recurrence.
      longest: the largest K.
      tolerance: stop once the rest of the gradient has a norm below this share of the whole; the
        larger windows then read as this one, to this accuracy. 0 computes all.

    Returns:
      ``window_cosine``, ``window_norm_share``: (longest,), NaN where the gradient is 0 or the scan
      has no weights.
    """
    if not r.params:
        unknown = jnp.full(longest, jnp.nan, r.states.real.dtype)
        return {"window_cosine": unknown, "window_norm_share": unknown}
    pull = pullback(r)
    g = contracted(r, r.deltas, pull)
    source = scaled.renormalise(r.source)
    enters = ~scaled.is_zero(source.exponent)

    def of_all(source: Scaled, enters: Array) -> dict[str, Array]:
        return _measured(r, g, source, longest, tolerance, lambda _: pull, _moved_back)

    def of_few(source: Scaled, enters: Array) -> dict[str, Array]:
        last = jnp.nonzero(enters, size=_FEW, fill_value=-1)[0].astype(jnp.int32)
        u = jax.tree.map(lambda a: a[last], source)

        def pull_at(k: Array) -> Callable:
            return pullback(r, jnp.maximum(last - k, 0))

        def moved(before: Scaled, k: Array) -> Scaled:
            return _zero_unless(last > k, before)

        return _measured(r, g, _zero_unless(last >= 0, u), longest, tolerance, pull_at, moved)

    if r.length <= _FEW:
        return of_all(source, enters)
    are_few = lanes.in_all(jnp.sum(enters) <= _FEW)
    return jax.lax.cond(are_few, of_few, of_all, source, enters)


def _measured(
    r: Recurrence,
    g: Scaled,
    source: Scaled,
    longest: int,
    tolerance: float,
    pull_at: Callable[[Array], Callable],
    moved: Callable[[Scaled, Array], Scaled],
) -> dict[str, Array]:
    """Return the rows of `windows`.

    Args:
      r: the recurrence.
      g: the whole gradient.
      source: u^(1).
      longest: the largest K.
      tolerance: see `windows`.
      pull_at: k from 0 -> `pullback` at the steps where the rows of u^(k+1) stand.
      moved: (J^T u of each row, k) -> u^(k+2), what is beyond h_1 lost.
    """

    def is_known(state: Any) -> Array:
        return state[-1] <= tolerance

    def goes_on(state: Any) -> Array:
        # Examples side by side take as many passes as one of them needs.
        return (state[0] < longest) & lanes.in_any(~is_known(state))

    def one(state: Any) -> Any:
        k, u, so_far, curves, rest = state
        pull = pull_at(k)
        so_far = scaled.add(so_far, contracted(r, u, pull))
        cosine = scaled.cosine(so_far, g)
        share = jnp.exp(scaled.log_norm(so_far) - scaled.log_norm(g))
        left = jnp.exp(scaled.log_norm(scaled.subtract(g, so_far)) - scaled.log_norm(g))
        # What an example has found does not depend on those beside it.
        behind = (jnp.arange(longest) >= k) & ~is_known(state)
        curves = [
            jnp.where(behind, new, old) for new, old in zip((cosine, share), curves, strict=True)
        ]
        u = moved(scaled.normalise(pull(u.value)[1], u.exponent), k)
        return k + 1, u, so_far, curves, jnp.where(is_known(state), rest, left)

    nothing = Scaled(jnp.zeros_like(g.value), jnp.full((), scaled.ZERO_EXPONENT, jnp.int32))
    real = g.value.real.dtype
    curves = [jnp.full(longest, jnp.nan, real)] * 2
    start = (jnp.zeros((), jnp.int32), source, nothing, curves, jnp.ones((), real))
    cosine, share = jax.lax.while_loop(goes_on, one, start)[3]
    return {"window_cosine": cosine, "window_norm_share": share}


def _moved_back(before: Scaled, k: Array) -> Scaled:
    """Return rows a step earlier: what reached h_t reaches h_{t-1}."""
    end = scaled.normalise(jnp.zeros_like(before.value[:1]), jnp.zeros(1, jnp.int32))
    return jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b]), before, end)


def _zero_unless(there: Array, rows: Scaled) -> Scaled:
    """Return rows that are 0 where the step that they belong to is not there."""
    value = jnp.where(there[:, None], rows.value, 0)
    return Scaled(value, jnp.where(there, rows.exponent, scaled.ZERO_EXPONENT))
