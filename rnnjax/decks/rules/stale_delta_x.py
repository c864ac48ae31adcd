"""Stale delta-x: what a step sends back arrives one training cycle later.

  delta_t = g_t + dx_t                                    (1)
  dx_t   <- J_{t+1}^T delta_{t+1},   dx_T = 0             (2)   kept for the next cycle

All steps are computed at once: nothing is scanned backward. With frozen weights cycle n = 0, 1, ..
is truncated backpropagation with a window of n + 1 steps, and cycle T - 1 is exact; while weights
change, dx is out of date by as many updates as steps it has come. Every sequence must keep its
place in the batch from cycle to cycle. One reading of C. Yuan's slides on RNNs (2022): the delta x
is taken from the previous computation.
"""

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, fields, scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class StaleDeltaX:
    """Backpropagation through time, parallel in time and spread over training cycles."""

    step_axis = "use"
    exact = False
    stochastic = False

    def init(self, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Scaled:
        """Return dx = 0 of every step, value (T, n_h), exponent (T,)."""
        cell = boundary.admitted(cell, None, params, batch)[0]
        n_steps, h = len(batch.x), cell.initial_state()
        zero = jnp.full(n_steps, scaled.ZERO_EXPONENT, jnp.int32)
        return Scaled(jnp.zeros((n_steps, *h.shape), h.dtype), zero)

    @boundary.of_rule
    def __call__(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Scaled,
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss, gradient and the dx of equation (2); see `rnnjax.types.Rule`."""
        trajectory = scan.of_batch(cell, params, batch)
        h = trajectory.plain
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        deltas = scaled.add(g, state)
        residuals = scan.residuals(cell, params, trajectory)
        grads = gradient_of_deltas(
            cell, loss, params, trajectory, batch, deltas, residuals, per_step=per_step
        )
        sent = adjoint.rmv_of_steps(cell, params, residuals, deltas)
        nothing = self.init(cell, params, jax.tree.map(lambda a: a[:1], batch))
        arriving = jax.tree.map(lambda a, z: jnp.concatenate([a[1:], z]), sent, nothing)
        return RuleOut(jnp.sum(losses), grads, arriving)
