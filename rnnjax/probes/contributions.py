"""What each step contributes to the weight gradient.

  dL/dW = sum_t C_t,   C_t = (dh_t/dW)^T dL/dh_t  (+ what passes through the readout)    (1)

C_t belongs to the weights as they were *used* at step t (the split of BPTT). The T gradients exist
one beside the other in memory, so T n_h^2 numbers must fit.
"""

import jax

from rnnjax import boundary, scaled
from rnnjax.rules.bptt import BPTT
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
def step_contributions(
    cell: Cell, loss: StepLoss, params: Params, batch: Batch
) -> dict[str, Array]:
    """Measure ||C_t|| of equation (1) at every step.

    Args:
      cell: the cell.
      loss: the loss of one step; the loss of the sequence is its masked sum.
      params: parameters.
      batch: one sequence; steps behind its end contribute nothing (-inf).

    Returns:
      ``log_contribution``: natural log of the norm over all parameters, (T,), index t - 1, and
      ``log_contribution_NAME`` for each parameter (W, U, ...).
    """
    grads = BPTT()(cell, loss, params, batch, per_step=True).grads
    leaves, _ = jax.tree.flatten_with_path(grads, is_leaf=scaled.is_scaled)
    by_leaf = {
        "log_contribution_" + jax.tree_util.keystr(path, simple=True, separator="_"): leaf
        for path, leaf in leaves
    }
    return {name: scaled.log_norm(g) for name, g in {"log_contribution": grads, **by_leaf}.items()}
