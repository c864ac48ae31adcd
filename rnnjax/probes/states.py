"""Whether the states of the forward pass move, and stay within the range of their numbers."""

import jax.numpy as jnp

from rnnjax import boundary, scaled, scan
from rnnjax.trajectory import first_non_finite_step
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
def first_non_finite(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch
) -> dict[str, Array]:
    """Find the first step whose state is not finite.

    Homogeneous cells (linear, relu, leaky relu) carry a scale and have none, bounded ones neither;
    for the rest (softplus, gelu, a cell of one's own) this says from where on numbers mean nothing.

    Args:
      cell: the cell.
      loss: not used.
      params: parameters.
      batch: one sequence.

    Returns:
      ``first_non_finite_step``: int32 (), in 1..T; -1 if every state is finite.
    """
    states = scan.of_batch(cell, params, batch).states
    return {"first_non_finite_step": first_non_finite_step(states)}


@boundary.of_probe
def is_silent(cell: Cell, loss: StepLoss | None, params: Params, batch: Batch) -> dict[str, Array]:
    """Find whether no state entry changes from h_1 to h_T.

    The initial state h_0 is given and may differ, so a single step is silent. In a silent network
    no step tells apart what the steps before it have done: a gradient by the recurrent weights, if
    it is not 0, is that of a bias.

    Args:
      cell: the cell.
      loss: not used.
      params: parameters.
      batch: one sequence.

    Returns:
      ``is_silent``: bool ().
    """
    states = scan.of_batch(cell, params, batch).states
    zero = scaled.is_zero(states.exponent)
    exponent = jnp.where(zero, scaled.ZERO_EXPONENT, states.exponent)
    still = jnp.all(states.value == states.value[:1]) & jnp.all(exponent == exponent[:1])
    return {"is_silent": still}
