"""Truncated backpropagation with carried state: blocks of K steps, one after the other.

  delta_t = g_t + J_{t+1}^T delta_{t+1},   but delta = g_t at the last step of a block   (1)

The state goes on from block to block and from sequence to sequence, the gradient does not: a loss
reaches back to the start of its block. Along lag d the gradient is seen by the share (K - d) / K of
the losses, and by none from d = K on. Williams and Peng, An efficient gradient-based algorithm for
on-line training of recurrent network trajectories, Neural Computation, 1990; the same window for
every loss (full overlap) is `rnnjax.rules.BPTT` with a window.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, fields, scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class TruncatedBPTT:
    """Equation (1).

    Attributes:
      window: K, static; blocks start with the sequence.
      carries: whether a sequence starts from the last state of the one before, static.
    """

    window: int = fields.count()
    carries: bool = fields.flag(default=True)
    step_axis = "use"
    exact = False
    stochastic = False

    def init(self, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Scaled:
        """Return h_0 of the first sequence, value (n_h,)."""
        cell, params, _ = boundary.admitted(cell, None, params, batch)
        return scan.initial(cell, params)

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
        """Return loss, gradient and the last state; see `rnnjax.types.Rule`.

        Without a state it starts from h_0, as the first sequence does.
        """
        is_none = isinstance(state, tuple) and not state
        start = scan.started(cell, params, None if is_none or not self.carries else state)
        trajectory = scan.steps(cell, params, batch.x, start, counts=batch.counts)
        h = trajectory.plain
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        passes = (jnp.arange(len(losses)) % self.window != 0).astype(h.real.dtype)
        nothing = Scaled(jnp.zeros_like(g.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
        residuals = scan.residuals(cell, params, trajectory)
        deltas, _ = adjoint.scan_back(cell, params, residuals, nothing, g, passes)
        steps = (trajectory, batch, deltas, residuals)
        grads = gradient_of_deltas(cell, loss, params, *steps, per_step=per_step)
        last = jax.tree.map(lambda a: a[-1], trajectory.states)
        return RuleOut(jnp.sum(losses), grads, last)
