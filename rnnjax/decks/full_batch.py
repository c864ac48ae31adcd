"""Networks that are trained on all sequences of a small task at once."""

from collections.abc import Callable

import jax
import optax

from rnnjax import scan
from rnnjax.types import Array, Batch, Cell, Params, Task
from rnnjax.updates import minimise


def outputs(cell: Cell, params: Params, x: Array) -> Array:
    """Return the outputs of every sequence, (B, T, n_y).

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (B, T, n_x).
    """
    return jax.vmap(lambda x: scan.outputs(cell, params, x))(x)


def mean_loss(cell: Cell, task: Task, params: Params, batch: Batch) -> Array:
    """Return the mean loss of sequences, leaves (B, T, ...), by the loss of the task, ()."""
    return jax.vmap(lambda one: scan.sequence_loss(cell, task.loss, params, one))(batch).mean()


def trained(
    cell: Cell,
    task: Task,
    params: Params,
    batch: Batch,
    optimiser: optax.GradientTransformation,
    n_updates: int,
    limited: Callable[[Params], Params] = lambda params: params,
) -> Params:
    """Return the parameters after training on the mean loss.

    Args:
      cell: the cell.
      task: gives the loss of a step.
      params: the start.
      batch: the sequences, which are the same in every update.
      optimiser: any optax optimiser that needs the gradient alone.
      n_updates: updates.
      limited: takes parameters to those that the network has, such as without some weights.
    """

    def loss(params: Params) -> Array:
        return mean_loss(cell, task, limited(params), batch)

    return limited(minimise(loss, params, optimiser, n_updates=n_updates)[0])
