"""The gradient of a trace within units over a whole sequence, without the trace.

  M_t = K_t M_{t-1} + D_t                                                      (1)
  sum_t s_t M_t = sum_t delta_t D_t,   delta_t = s_t + K_{t+1}^T delta_{t+1}   (2)

With fixed weights (1) need not be carried at all: the right side of (2) is the same sum, for the
price of a filter on the learning signals and one contraction.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.influences.within_units import own_part
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Batch, RuleOut


def run(rule: Any, problem: Problem, batch: Batch, state: Any) -> RuleOut:
    """Return loss and gradient of one sequence, by the right side of (2).

    Args:
      rule: an `rnnjax.rules.product.Product` whose influence stays within units.
      problem: the network and its loss.
      batch: one sequence.
      state: what the rule carries, which a sequence does not change.
    """
    cell, loss, params = problem
    trajectory = scan.of_batch(cell, params, batch)
    losses, s = rule.signals(problem, trajectory.plain, batch)

    def kept(at: Trajectory) -> Scaled:
        return own_part(problem, rule.point.transport.tangent(problem, at))

    deltas = _filter(jax.vmap(kept)(trajectory), s)
    grads = gradient_of_deltas(cell, loss, params, trajectory, batch, deltas, per_step=False)
    return RuleOut(jnp.sum(losses), grads, state)


def _filter(K: Scaled, s: Scaled) -> Scaled:
    """Return delta_t of equation (2), value (T, n_h), exponent (T,)."""
    m = K.value.shape[1]

    def step(arriving: Scaled, at: tuple[Scaled, Scaled]) -> tuple[Scaled, Scaled]:
        K, s = at
        delta = scaled.add_normal(arriving, s)
        own = delta.value.reshape(m, 1, -1)
        sent = jnp.sum(K.value * own, axis=0).reshape(delta.value.shape)
        return scaled.normalise(sent, delta.exponent + K.exponent), delta

    nothing = Scaled(jnp.zeros_like(s.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
    return jax.lax.scan(step, nothing, (K, s), reverse=True)[1]
