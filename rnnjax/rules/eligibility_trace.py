"""The eligibility trace: the sensitivity of the state, carried forward with a decay.

  P_t = D_t + decay J_t P_{t-1},   P_0 = 0                  (1)   D_t: dh_t/dw with h_{t-1} fixed
  dL/dw = sum_t g_t P_t  (+ what passes through the readout)  (2)

With decay 1 this is real-time recurrent learning and exact (Williams and Zipser, A learning
algorithm for continually running fully recurrent neural networks, Neural Computation, 1989); with
decay 0 every step stands alone, which is BPTT with a window of 1. Between the two, a lag of k steps
counts decay^k. It needs n_h numbers a parameter and no memory of the past.

P is a tree shaped as params whose leaves have a leading axis n_h, each a `Scaled` with an exponent.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import adjoint, dynamics, scaled, scan
from rnnjax.rules.base import without_state
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@struct.dataclass
class EligibilityTrace:
    """Equations (1) and (2).

    Attributes:
      decay: factor of the trace in a step, 0 to 1; may be traced.
    """

    decay: Array | float = 1.0
    step_axis = "loss"
    init = without_state

    @property
    def exact(self) -> bool:
        """Whether the trace does not decay."""
        return isinstance(self.decay, float) and self.decay == 1

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

        Per step the gradient is split by the step at which the loss fell due.
        """
        trajectory = scan.unroll(cell, params, batch.x)
        h = scaled.plain(trajectory.states)
        losses, g = adjoint.readout_source(cell, loss, params, h, batch.y, batch.mask)

        def step(P: Any, at: Any) -> tuple[Any, Any]:
            trajectory, x, h, y, mask, g = at
            P = self._next_trace(cell, params, trajectory, x, P)
            through_readout = jax.grad(
                lambda p: scan.step_losses(cell, loss, p, h[None], y[None], mask[None])[0]
            )(params)
            part = scaled.add_trees(scaled.normalise_tree(through_readout), _contracted(g, P))
            return P, part

        at = (trajectory, batch.x, h, batch.y, batch.mask, g)
        _, steps = jax.lax.scan(step, _no_trace(cell, params), at)
        grads = steps if per_step else scaled.sum_over_leading(steps)
        return RuleOut(jnp.sum(losses), grads, ())

    def _next_trace(self, cell: Cell, params: Params, at: scan.Trajectory, x: Array, P: Any) -> Any:
        """Return P_t of equation (1) from P_{t-1}."""
        local, exponent = dynamics.local(cell, params, at.h_prev, at.drive)

        def pushed(leaf: Scaled) -> Scaled:
            columns = leaf.value.reshape(len(leaf.value), -1)
            v = jax.vmap(lambda v: dynamics.push(cell, params, local, v), 1, 1)(columns)
            return scaled.normalise(
                self.decay * v.reshape(leaf.value.shape), leaf.exponent + exponent
            )

        direct = _direct(cell, params, at, x)
        return scaled.add_trees(direct, jax.tree.map(pushed, P, is_leaf=_is_scaled))


def _direct(cell: Cell, params: Params, at: scan.Trajectory, x: Array) -> Any:
    """Return D_t: what a change of the weights does to h_t at once, leaves (n_h, ...).

    Inside `advance` it acts on states carried as 2^-E h, through the drive it does not.
    """
    advance = _jacobian(lambda p: dynamics.advance(cell, p, at.h_prev, at.drive), params)
    total = scaled.normalise_tree(advance, at.exponent)
    if hasattr(cell, "drive"):
        by_drive = _jacobian(
            lambda p: dynamics.advance(
                cell, params, at.h_prev, at.drive + _change(dynamics.drive(cell, p, x))
            ),
            params,
        )
        total = scaled.add_trees(total, scaled.normalise_tree(by_drive))
    return total


def _change(d: Array) -> Array:
    """Return 0, with the derivative of d."""
    return d - jax.lax.stop_gradient(d)


def _jacobian(function: Any, params: Params) -> Any:
    """Return the Jacobian by real parameters of a real or complex vector, leaves (n_h, ...)."""
    if not jnp.iscomplexobj(jax.eval_shape(function, params)):
        return jax.jacrev(function)(params)
    real, imaginary = (
        jax.jacrev(lambda p, part=part: part(function(p)))(params) for part in (jnp.real, jnp.imag)
    )
    return jax.tree.map(jax.lax.complex, real, imaginary)


def _no_trace(cell: Cell, params: Params) -> Any:
    h = cell.initial_state()
    return jax.tree.map(
        lambda p: scaled.normalise(jnp.zeros((*h.shape, *p.shape), h.dtype)), params
    )


def _contracted(g: Scaled, P: Any) -> Any:
    """Return g_t P_t, equation (2): the change of a real loss by real parameters."""
    return jax.tree.map(
        lambda leaf: scaled.normalise(
            jnp.tensordot(g.value, leaf.value, 1).real, g.exponent + leaf.exponent
        ),
        P,
        is_leaf=_is_scaled,
    )


def _is_scaled(node: Any) -> bool:
    return isinstance(node, Scaled)
