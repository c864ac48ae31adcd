"""Delta-x read literally: the previous step's delta is added to the output, going forward.

  o_t  = h_t + sign dx_{t-1}                                (1)   dx_0 = 0
  g_t  = d loss(readout(o_t), y_t) / d o_t                  (2)
  dx_t = J_t^T g_t                                          (3)

C. Yuan's slides on RNNs (2022): o_t = o_t + dx_{t-1}. Each step has its own g_t only, so this is no
gradient of the loss: it is the local rule with the target shifted to y_t - dx_{t-1}. With `feeds`
the shifted output is also what the next step is given, which changes the forward pass.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, dynamics, fields, scaled
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.base import without_state
from rnnjax.trajectory import plain_trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class ForwardDeltaX:
    """The local rule on outputs shifted by the delta of the step before.

    Attributes:
      sign: of dx in equation (1).
      feeds: whether the next step starts from o_t instead of h_t, static.
    """

    sign: Array | float = fields.number(default=1.0)
    feeds: bool = fields.flag(default=False)
    step_axis = "use"
    init = without_state
    exact = False
    stochastic = False

    @boundary.of_rule(real=True)
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
        """Return the loss at the shifted outputs and the gradient; see `rnnjax.types.Rule`.

        The forward pass is in plain numbers, so a linear network may overflow.
        """

        def loss_at(o: Array, y: Array, mask: Array) -> Array:
            return jnp.where(mask != 0, mask * loss(cell.readout(params, o), y), 0)

        def step(carry: tuple[Array, Array], at: Batch) -> tuple[tuple[Array, Array], Any]:
            h_prev, dx = carry
            d = dynamics.drive(cell, params, at.x)
            h = dynamics.advance(cell, params, h_prev, d)
            o = h + self.sign * dx
            # A step without weight contributes nothing, even where its numbers are not finite.
            weighs = at.mask != 0
            o_w, y_w = jnp.where(weighs, o, h_0), jnp.where(weighs, at.y, 0)
            loss_t, g = jax.value_and_grad(loss_at)(o_w, y_w, at.mask)
            dx = jax.vjp(lambda h: dynamics.advance(cell, params, h, d), h_prev)[1](g)[0]
            return (o if self.feeds else h, dx), (loss_t, g, h_prev, d, o)

        h_0 = cell.initial_state()
        _, (losses, g, h_prev, d, o) = jax.lax.scan(step, (h_0, jnp.zeros_like(h_0)), batch)
        level = jnp.zeros(len(losses), jnp.int32)
        trajectory = plain_trajectory(o, h_prev, d)
        grads = gradient_of_deltas(
            cell,
            loss,
            params,
            trajectory,
            batch,
            scaled.normalise(g, level),
            per_step=per_step,
        )
        return RuleOut(jnp.sum(losses), grads, ())
