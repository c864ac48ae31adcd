"""Backpropagation through time, exact or truncated by a window.

  delta_t = sum_{0 <= j < K} decay^j (J_{t+j} ... J_{t+1})^T g_{t+j}           (1)
  dL/dW   = sum_t (dh_t/dW)^T delta_t + sum_t dloss_t/dW  (through readout)    (2)

K is the window: the loss of step t reaches the weights as they were used at steps t, t-1, ..,
t-K+1. With K >= T and decay 1 equation (1) is the adjoint recursion and (2) is exactly dL/dW
(Werbos, Backpropagation through time: what it does and how to do it, Proc. IEEE, 1990);
otherwise it is the truncation of Williams and Peng (An efficient gradient-based algorithm for
on-line training of recurrent network trajectories, Neural Computation, 1990) with a loss at every
step and full overlap: the gradient along any lag >= K is exactly 0.

The sum over t is taken in one unit, that of the largest delta_t: a term smaller by more than the
range of the dtype counts as 0, also where no larger delta_t reaches a weight (steps whose gates are
shut, behind gaps of e^-100). `rnnjax.recurrences` measures such gradients.
"""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, fields, scaled, scan, segments
from rnnjax.gradient import gradient_of_deltas, parameter_gradient, step_gradients
from rnnjax.ranges import is_exactly
from rnnjax.rules.base import mean_of_sequences, without_state
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class BPTT:
    """Backpropagation through time.

    Attributes:
      window: K of equation (1), static; None for no truncation.
      segment: steps kept in memory at once (see `rnnjax.adjoint`), static; None for all. Only
        without a window.
      decay: factor of a gradient for each step that it goes back, may be traced: 0 is a window of
        1, and what is between has the sum of `rnnjax.rules.DiscountedRTRL` with this decay.
    """

    window: int | None = fields.count(default=None, optional=True)
    segment: int | None = fields.count(default=None, optional=True)
    decay: Array | float = fields.number(default=1.0, at_least=0, at_most=1)
    step_axis = "use"
    stochastic = False
    init = without_state

    def __post_init__(self) -> None:
        if self.window is not None and self.segment is not None:
            raise ValueError("segment: expected None with a window, because truncation needs all T")

    @property
    def exact(self) -> bool:
        """Whether the gradient is that of automatic differentiation for every length."""
        return self.window is None and is_exactly(self.decay, 1)

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

        With ``per_step=True`` the gradient is split by the step at which the weight was used; the
        weights of the readout are used at the step whose loss they enter. That is T gradients in
        memory, with segments or without.
        """
        if self.segment is not None and not per_step:
            return self._segmented(cell, loss, params, batch)
        losses, steps = self._steps(cell, loss, params, batch)
        grads = gradient_of_deltas(cell, loss, params, *steps, per_step=per_step)
        return RuleOut(jnp.sum(losses), grads, ())

    @boundary.of_batches
    def batch_gradient(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return the mean over a batch (leaves (B, T, ...)) by one contraction over B x T steps.

        Per step there is one contraction over B a step. In segments every sequence has its own.
        """
        if self.segment is not None:
            return mean_of_sequences(self, cell, loss, params, batch, state, per_step=per_step)
        # Time first, as scans leave it: (T, B, ...).
        losses, steps = jax.vmap(lambda b: self._steps(cell, loss, params, b), out_axes=1)(batch)
        loss_of_batch = jnp.mean(jnp.sum(losses, axis=0))
        n_batch = losses.shape[1]
        if per_step:
            grads = step_gradients(cell, loss, params, *steps)
        else:
            steps = jax.tree.map(lambda a: a.reshape((-1, *a.shape[2:])), steps)
            grads = parameter_gradient(cell, loss, params, *steps)
        return RuleOut(loss_of_batch, scaled.divide(grads, n_batch), ())

    def _steps(
        self, cell: Cell, loss: StepLoss, params: Params, batch: Batch
    ) -> tuple[Array, tuple[Trajectory, Batch, Scaled, Residuals]]:
        """Return the losses of a sequence, and what `parameter_gradient` takes."""
        trajectory = scan.of_batch(cell, params, batch)
        h = trajectory.plain
        losses, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
        residuals = scan.residuals(cell, params, trajectory)
        if self.window is not None and self.window < len(losses):
            deltas = _windowed(cell, params, residuals, g, self.window, self.decay)
        else:
            deltas, _ = adjoint.scan_back(cell, params, residuals, _nothing(g), g, self.decay)
        return losses, (trajectory, batch, deltas, residuals)

    def _segmented(self, cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> RuleOut:
        def source(trajectory: Trajectory, targets: Any) -> Scaled:
            return cotangents.readout_source(cell, loss, params, trajectory.plain, *targets)[1]

        def emit(trajectory: Trajectory, x: Array, targets: Any, deltas: Scaled) -> Any:
            part = Batch(x, *targets)
            losses = scan.step_losses(cell, loss, params, trajectory.plain, *targets)
            return losses, parameter_gradient(cell, loss, params, trajectory, part, deltas)

        targets = (batch.y, batch.mask)
        pieces, _ = adjoint.backward(
            cell,
            params,
            batch.x,
            lambda h: _nothing(jax.tree.map(lambda a: a[None], h)),
            emit,
            source=source,
            targets=targets,
            segment=self.segment,
            decay=self.decay,
            counts=batch.counts,
        )
        losses, grads = zip(*pieces, strict=True)
        total = functools.reduce(operator.add, [jnp.sum(part) for part in losses])
        return RuleOut(total, segments.total(list(grads)), ())


def _nothing(like: Scaled) -> Scaled:
    """Return zero, shaped as one of the stacked numbers."""
    return Scaled(jnp.zeros_like(like.value[0]), jnp.int32(scaled.ZERO_EXPONENT))


def _windowed(
    cell: Cell,
    params: Params,
    residuals: Residuals,
    g: Scaled,
    window: int,
    decay: Array | float,
) -> Scaled:
    """Return delta_t of equation (1), all t at once, one lag after the other."""

    def one_lag(carry: tuple[Scaled, Scaled], _: None) -> tuple[tuple[Scaled, Scaled], None]:
        term, total = carry
        v = jax.vmap(lambda kept, v: kept.bound(cell, params).rmv(v))(residuals, term.value)
        pulled = scaled.normalise(decay * v.value, term.exponent + v.exponent)
        # What step t+1 sends back arrives at t; nothing arrives at T.
        term = jax.tree.map(lambda a, z: jnp.concatenate([a[1:], z[None]]), pulled, _nothing(term))
        return (term, scaled.add(total, term)), None

    (_, total), _ = jax.lax.scan(one_lag, (g, g), None, length=window - 1)
    return total
