"""At which steps the weights learn: the gradient of a recurrence by step of use.

  c_t = (dh_t/dw)^T dL/dh_t,   g = sum_t c_t,   share_t = <c_t, g> / |g|^2                (1)

The shares sum to 1; one may be negative where a step pulls against the others. Weights are all
parameters of the scan; those that only an output of the step uses have no part in the state.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.diagnosis import steps
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.packing import Layout
from rnnjax.scaled import Scaled
from rnnjax.types import Array


def pulled(r: Recurrence, h: Array, t: Array, delta: Array) -> Array:
    """Return (dh_t/dw)^T delta as one vector, (n_w,)."""
    _, pull = jax.vjp(lambda w: steps.new_state(r, w, h, t), r.params)
    return Layout.of(r.params).pack(pull(delta)[0])


def contracted(r: Recurrence, deltas: Scaled) -> Scaled:
    """Return sum_t (dh_t/dw)^T delta_t, value (n_w,), exponent ()."""
    value, exponent = scaled.common(deltas)
    h, t = r.states[:-1], steps.numbers(r)

    def all_steps(w: Any) -> Array:
        return jax.vmap(lambda h, t: steps.new_state(r, w, h, t))(h, t)

    _, pull = jax.vjp(all_steps, r.params)
    return scaled.normalise(Layout.of(r.params).pack(pull(value)[0]), exponent)


def by_use(r: Recurrence) -> dict[str, Array]:
    """Measure equation (1) by lag behind the last step.

    Returns:
      ``log_norm_weight_gradient_by_lag``: ln |c_{T-k}|, (T+1,), NaN beyond the first step;
      ``weight_gradient_share``: share_{T-k}, (T+1,).
    """
    g = contracted(r, r.deltas)
    last = steps.last_step(r)
    square = _inner(g.value, g.value)

    def one(at: Any) -> tuple[Array, Array]:
        h, t, delta = at
        c = scaled.normalise(pulled(r, h, t, delta.value), delta.exponent)
        log_norm = scaled.log_norm(c)
        # |c_t| may exceed |g|, but not by more than the range of the dtype.
        return log_norm, scaled.shift(_inner(c.value, g.value), c.exponent - g.exponent)

    log_norms, products = jax.lax.map(one, (r.states[:-1], steps.numbers(r), r.deltas))
    nothing = jnp.full(1, jnp.nan, log_norms.dtype)
    stacks = [jnp.concatenate([nothing, a]) for a in (log_norms, products / square)]
    # Weights act from step 1 on: h_0 at the largest lag is no step of theirs.
    log_norms, shares = (steps.by_lag(stack, last) for stack in stacks)
    return {"log_norm_weight_gradient_by_lag": log_norms, "weight_gradient_share": shares}


def _inner(a: Array, b: Array) -> Array:
    """Return the inner product of two gradients, (); real for complex weights too."""
    return jnp.sum((jnp.conj(a) * b).real)
