"""Delta-x added behind the slope: a mistake worth knowing, because it looks right.

  dz_t = f'(z_t) g_t + dx_t,      dx_t = W^T dz_{t+1}           (1)

z_t is the pre-activation of the state. The exact recursion has f'(z_t) (g_t + dx_t); without the
slope every lag is too large by 1 / f', at least 4 times for the logistic function. In terms of
delta_t = dL/dh_t, with which everything else here is written,

  delta_t = g_t + J_{t+1}^T delta_{t+1} / f'(z_t)               (2)

One reading of C. Yuan's slides on RNNs (2022), where di3 is added to do instead of the error.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, cotangents, fields, scaled, scan, tangents
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.base import require, without_state
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory
from rnnjax.types import Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class SlopelessDeltaX:
    """Equation (2), for cells whose state is f(z): their tangents have a `tangents.slope`."""

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

        Raises:
          ValueError: the cell's state is not f(z).
        """
        trajectory = scan.of_batch(cell, params, batch)
        h = trajectory.plain
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        deltas = _deltas(self, cell, params, trajectory, g)
        grads = gradient_of_deltas(cell, loss, params, trajectory, batch, deltas, per_step=per_step)
        return RuleOut(jnp.sum(losses), grads, ())


def _deltas(rule: Any, cell: Any, params: Params, trajectory: Trajectory, g: Scaled) -> Scaled:
    """Return delta_t of equation (2), value (T, n_h), exponent (T,)."""

    def step(dx: Scaled, at: tuple[Residuals, Scaled]) -> tuple[Scaled, Scaled]:
        kept, g = at
        J = kept.bound(cell, params)
        slope: Any = tangents.slope(J)
        reason = "because its state is no activation of a sum"
        require(slope is not None, cell, rule, "slopes f'(z) of its state", reason)
        shifted = scaled.normalise(dx.value / slope.value, dx.exponent - slope.exponent)
        delta = scaled.add(shifted, g)
        v = J.rmv(delta.value)
        return scaled.normalise(v.value, delta.exponent + v.exponent), delta

    nothing = Scaled(jnp.zeros_like(g.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
    return jax.lax.scan(step, nothing, (scan.residuals(cell, params, trajectory), g), reverse=True)[
        1
    ]
