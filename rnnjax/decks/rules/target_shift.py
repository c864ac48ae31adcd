"""Delta-x as a shift of the target: the local rule with y_t - dx_t is backpropagation through time.

  g_t  = d loss(h_t, y_t - dx_t) / dh_t                     (1)
  dx_{t-1} = J_t^T g_t,   dx_T = 0                          (2)   going backward

For loss = |h - y|^2 / 2 equation (1) is h_t - y_t + dx_t, the exact adjoint: what the steps behind
ask of this output is a correction of its target. The state must be the output (`Jordan`), and
without the half, or with any other loss, the shift has another unit and the rule is not exact.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, dynamics, fields, scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.base import require, without_state
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class TargetShift:
    """Equations (1) and (2), for cells whose state is their output."""

    step_axis = "use"
    init = without_state
    exact = False
    stochastic = False

    @boundary.of_rule
    def __call__(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss and gradient of one sequence; see `rnnjax.types.Rule`.

        A step whose mask is 0 has no target to shift: dx passes through it unchanged.

        Raises:
          ValueError: the cell's state is not its output.
        """
        is_output = dynamics.reads_out_its_state(cell, params)
        require(
            is_output, cell, self, "its state as its output", "because its state is not its output"
        )
        trajectory = scan.of_batch(cell, params, batch)
        h = trajectory.plain

        def backward(dx: Array, at: Any) -> tuple[Array, Array]:
            h, h_prev, d, y, mask = at
            # The loss is mask times that of the step, so the shift is dx over mask.
            shifted = y - dx / jnp.where(mask == 0, 1, mask)
            g = jnp.where(mask == 0, dx, mask * jax.grad(loss)(h, shifted))
            return jax.vjp(lambda h: dynamics.advance(cell, params, h, d), h_prev)[1](g)[0], g

        at = (h, trajectory.h_prev, trajectory.drive, batch.y, batch.mask)
        _, g = jax.lax.scan(backward, jnp.zeros_like(h[0]), at, reverse=True)
        deltas = scaled.normalise(g, jnp.zeros(len(g), jnp.int32))
        grads = gradient_of_deltas(cell, loss, params, trajectory, batch, deltas, per_step=per_step)
        losses = scan.step_losses(cell, loss, params, h, batch.y, batch.mask)
        return RuleOut(jnp.sum(losses), grads, ())
