"""Teacher forcing: every step is given the true previous output instead of the network's own.

  h_t = step(y_{t-1}, x_t),   y_0 = h_0                     (1)
  dL/dW = sum_t (dh_t/dW)^T g_t                             (2)

A target enters the next step whatever the weight of its own loss is. The steps are then
independent of each other, a feedforward network on pairs ([x_t, y_{t-1}], y_t), and the local
gradient (2) is the exact gradient of the loss of (1), which is another loss than that of the
network left to itself. Jordan, Serial order: a parallel distributed processing approach, 1986;
Williams and Zipser, A learning algorithm for continually running fully recurrent neural networks,
Neural Computation, 1989.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, cotangents, dynamics, fields, shape_checks
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules.base import require, without_state
from rnnjax.trajectory import plain_trajectory
from rnnjax.types import Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class TeacherForcing:
    """Equations (1) and (2), for cells whose state is their output."""

    step_axis = "use"
    init = without_state
    exact = False  # exact for its own loss, which is not that of the free-running network
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
        """Return the teacher-forced loss and its gradient; see `rnnjax.types.Rule`.

        Raises:
          ValueError: the cell's state is not its output, or the targets are no states: labels, or
            complex ones of a real state.
        """
        is_output = dynamics.reads_out_its_state(cell, params)
        require(
            is_output, cell, self, "its state as its output", "because a target is no state of it"
        )
        h_0, kind = cell.initial_state(), type(self).__name__
        unreal = jnp.iscomplexobj(batch.y) and not jnp.iscomplexobj(h_0)
        if batch.y.shape[1:] != h_0.shape or unreal:
            raise ValueError(
                f"y: expected {'real ' * unreal}targets (T, n_h) as {kind} gives them to the steps "
                f"as states, got {shape_checks.described(batch.y)}"
            )
        h_prev = jnp.concatenate([h_0[None], batch.y[:-1]])
        d = jax.vmap(lambda x: dynamics.drive(cell, params, x))(batch.x)
        h = jax.vmap(lambda h, d: dynamics.advance(cell, params, h, d))(h_prev, d)
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        trajectory = plain_trajectory(h, h_prev, d)
        grads = gradient_of_deltas(cell, loss, params, trajectory, batch, g, per_step=per_step)
        return RuleOut(jnp.sum(losses), grads, ())
