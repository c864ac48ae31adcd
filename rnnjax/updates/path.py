"""Where descent on one sequence goes."""

from typing import Any, NamedTuple

import jax
import optax

from rnnjax.ranges import COUNT, arguments
from rnnjax.rules import BPTT
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


class Path(NamedTuple):
    """Update by update, leaves (n_updates, ...).

    Attributes:
      params: before the update.
      loss: before it.
      step: what it adds to the parameters.
    """

    params: Params
    loss: Array
    step: Params


@arguments(n_updates=COUNT)
def path(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    optimiser: optax.GradientTransformation,
    *,
    n_updates: int,
) -> Path:
    """Follow descent by backpropagation through time on one sequence.

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: the start.
      batch: the sequence.
      optimiser: as in `rnnjax.fit`, such as `clip_by_norm` around one of optax.
      n_updates: updates.
    """

    def update(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Path]:
        params, state = carry
        out = BPTT()(cell, loss, params, batch, ())
        step, state = optimiser.update(out.grads, state, params)
        return (optax.apply_updates(params, step), state), Path(params, out.loss, step)

    return jax.lax.scan(update, (params, optimiser.init(params)), None, length=n_updates)[1]
