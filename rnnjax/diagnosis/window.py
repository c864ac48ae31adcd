"""What a truncated gradient keeps, for every window K from one pass.

Truncated to K steps, every loss is carried back through at most K states:

  u_t^(1) = g_t,   u_t^(k+1) = J_{t+1}^T u_{t+1}^(k),                                      (1)
  g_K = sum_{k<=K} sum_t (dh_t/dw)^T u_t^(k)                                               (2)

as `rules.BPTT(window=K)` has it. Each k adds one product with all Jacobians at once and one
contraction. Cosine and norm share compare g_K with the whole gradient g.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.diagnosis.weights import contracted, pullback
from rnnjax.jaxprs import Recurrence
from rnnjax.scaled import Scaled
from rnnjax.types import Array


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

    def further(u: Scaled) -> Scaled:
        """Return u^(k+1) from u^(k): what reached h_t reaches h_{t-1}; beyond h_1 it is lost."""
        before = scaled.normalise(pull(u.value)[1], u.exponent)
        end = scaled.normalise(jnp.zeros_like(u.value[:1]), jnp.zeros(1, jnp.int32))
        return jax.tree.map(lambda a, b: jnp.concatenate([a[1:], b]), before, end)

    def goes_on(state: Any) -> Array:
        k, _, _, _, rest = state
        return (k < longest) & ~(rest <= tolerance)

    def one(state: Any) -> Any:
        k, u, so_far, curves, _ = state
        so_far = scaled.add(so_far, contracted(r, u, pull))
        cosine = scaled.cosine(so_far, g)
        share = jnp.exp(scaled.log_norm(so_far) - scaled.log_norm(g))
        rest = jnp.exp(scaled.log_norm(_difference(g, so_far)) - scaled.log_norm(g))
        behind = jnp.arange(longest) >= k
        curves = [
            jnp.where(behind, new, old) for new, old in zip((cosine, share), curves, strict=True)
        ]
        return k + 1, further(u), so_far, curves, rest

    nothing = jax.tree.map(jnp.zeros_like, g)
    nothing = Scaled(nothing.value, jnp.full((), scaled.ZERO_EXPONENT, jnp.int32))
    real = g.value.real.dtype
    curves = [jnp.full(longest, jnp.nan, real)] * 2
    whole = jnp.ones((), real)
    start = (jnp.zeros((), jnp.int32), scaled.renormalise(r.source), nothing, curves, whole)
    cosine, share = jax.lax.while_loop(goes_on, one, start)[3]
    return {"window_cosine": cosine, "window_norm_share": share}


def _difference(a: Scaled, b: Scaled) -> Scaled:
    return scaled.add(a, Scaled(-b.value, b.exponent))
