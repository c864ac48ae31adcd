"""Where a gradient begins: derivatives of losses with respect to the states they are read from.

g_t is the part of dL/dh_t that comes from the loss of step t itself; where a gradient's transport
is measured and not the loss of a task, a fixed unit vector stands for dL/dh_T.
"""

import jax
import jax.numpy as jnp

from rnnjax import scaled, scan
from rnnjax.real_view import RealView
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Cell, Params, StepLoss


def unit_cotangent(state: Array) -> Array:
    """Return a unit vector of the state's shape and dtype, the same in every run.

    It stands for dL/dh_T where the transport of a gradient is measured and not the loss of a task,
    so that no loss of an overflowed output enters.
    """
    return jnp.full_like(state, 1 / state.size**0.5)


def _unit_cotangent_of(cell: Cell, h: Array) -> Array:
    if isinstance(cell, RealView):
        return cell.cotangent(unit_cotangent(cell.state(h)))  # the same vector in either view
    return unit_cotangent(h)


def readout_source(
    cell: Cell, loss: StepLoss, params: Params, h: Array, y: Array, mask: Array
) -> tuple[Array, Scaled]:
    """Return the losses of some steps and their derivatives with respect to the states.

    Args:
      cell: the cell.
      loss: loss of one step.
      params: parameters.
      h: states, (S, n_h).
      y: targets, (S, n_y).
      mask: weights, (S,).

    Returns:
      the losses, (S,), and g_t, value (S, n_h), exponent (S,).
    """
    losses, vjp = jax.vjp(lambda h: scan.step_losses(cell, loss, params, h, y, mask), h)
    return losses, scaled.normalise(vjp(jnp.ones_like(losses))[0], jnp.zeros(len(h), jnp.int32))


def last_step_cotangent(
    cell: Cell, loss: StepLoss | None, params: Params, h: Array, y: Array
) -> Scaled:
    """Return dL/dh at given states, each taken as the last of its sequence.

    Args:
      cell: the cell.
      loss: the loss of one step; None for L = u.h with the fixed unit vector u (pure transport).
      params: parameters.
      h: the states as plain numbers, (S, n_h).
      y: targets, (S, n_y).

    Returns:
      value (S, n_h), exponent (S,).
    """
    if loss is None:
        u = jax.vmap(lambda h: _unit_cotangent_of(cell, h))(h)
        return scaled.normalise(u, jnp.zeros(len(u), jnp.int32))
    return readout_source(cell, loss, params, h, y, jnp.ones(len(h), h.real.dtype))[1]
