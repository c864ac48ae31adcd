"""Where descent on one sequence goes."""

from typing import Any, NamedTuple

import jax
import optax

from rnnjax import shape_checks
from rnnjax.ranges import COUNT, arguments
from rnnjax.rules import BPTT
from rnnjax.types import Array, Batch, Cell, Params, StepLoss
from rnnjax.updates.optimisers import OPTIMISER, fitting
from rnnjax.updates.scaled_gradient import from_scaled


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


@arguments(n_updates=COUNT, optimiser=OPTIMISER)
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
      optimiser: as in `rnnjax.fit`: one of optax, or `clip_by_norm` around one.
      n_updates: updates.
    """
    shape_checks.check_params(cell, params)
    optimiser = fitting(from_scaled(optimiser), params)

    def update(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], Path]:
        params, state = carry
        out = BPTT()(cell, loss, params, batch, ())
        step, state = optimiser.update(out.grads, state, params, value=out.loss)
        return (optax.apply_updates(params, step), state), Path(params, out.loss, step)

    return jax.lax.scan(update, (params, optimiser.init(params)), None, length=n_updates)[1]
