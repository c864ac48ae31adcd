"""Where the forward pass leaves the range of its numbers."""

from rnnjax import boundary, scan
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
    return {"first_non_finite_step": scan.first_non_finite_step(states)}
