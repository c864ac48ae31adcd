"""What the gradient and perturbations do in each layer of a stack.

  ||dL_T/dh^l_{T-k}||,  l = 1..n_layers, k = 0..T                                (1)
  lambda^l_i, the Lyapunov exponents of layer l, driven by the layer below        (2)

No layer acts on a lower one, so the Jacobians of a stack are block triangular, and its exponents
are those of its layers together (as those of a triangular cocycle are those of its diagonal
blocks). A cell that is no stack is its own only layer.
"""

import jax.numpy as jnp

from rnnjax import boundary, cotangents, layers, masks, real_view, scaled, scan
from rnnjax.probes import lyapunov
from rnnjax.ranges import COUNT_OR_ZERO, arguments
from rnnjax.trajectory import first_non_finite_step
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
def log_norm_by_layer_and_lag(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch
) -> dict[str, Array]:
    """Measure ||dL_T/dh^l_{T-k}|| of every layer l at every lag k, equation (1).

    L_T is the loss of the last step whose mask is not 0. The derivative is the total one, including
    the way through higher layers at the same step, see `rnnjax.layers`.

    Args:
      cell: a stack, or any cell.
      loss: the loss of one step; None for pure transport, L = u.h_T with a fixed unit vector u over
        the states of all layers.
      params: parameters.
      batch: one sequence.

    Returns:
      ``log_norm_by_layer``: natural log of the norm, (n_layers, T+1), first layer first, index k;
      NaN beyond the length of the sequence.
    """
    trajectory = scan.of_batch(cell, params, batch)
    end = masks.last_of_weight(batch.mask)
    h, y = trajectory.plain[end][None], batch.y[end][None]
    g = cotangents.last_step_cotangent(cell, loss, params, h, y)
    source = layers.at_step(scaled.Scaled(g.value[0], g.exponent[0]), end, len(batch.x))
    found = layers.deltas(cell, params, trajectory, source)
    logs = [masks.by_lag(scaled.log_norm(of_layer.by_time()), batch.mask) for of_layer in found]
    return {"log_norm_by_layer": jnp.stack(logs)}


@boundary.of_probe
@arguments(n_discarded=COUNT_OR_ZERO)
def lyapunov_spectra_of_layers(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, *, n_discarded: int = 0
) -> dict[str, Array]:
    """Measure the Lyapunov exponents of every layer along one sequence, equation (2).

    Args:
      cell: a stack, or any cell.
      loss: not used: exponents do not depend on a loss.
      params: parameters.
      batch: one sequence.
      n_discarded: initial steps that align the directions and are not counted.

    Returns:
      ``exponents``: of all layers together, nats per step, descending, (n_h,), as those of
      `lyapunov_spectrum`; ``layer_of_exponent``: the layer that each belongs to, from 0,
      int32 (n_h,); ``exponents_error``: standard errors, (n_h,); ``first_non_finite_step``: of any
      layer, int32 (), -1 if there is none.

    Raises:
      ValueError: n_discarded is out of range.
    """
    lyapunov.check_discarded(n_discarded, batch)
    view = real_view.for_jacobians(cell, params, batch.x[0])
    cell, params = view.seen, view.inward(params)
    trajectory = scan.of_batch(cell, params, batch)
    found = [
        lyapunov.growth_along(
            of_layer.cell,
            of_layer.params,
            of_layer.trajectory,
            batch.counts,
            of_layer.trajectory.h_prev.shape[1],
            n_discarded,
        )
        for of_layer in layers.of_trajectory(cell, params, trajectory)
    ]
    number = [jnp.full(len(of_layer.mean()), i, jnp.int32) for i, of_layer in enumerate(found)]
    exponents = jnp.concatenate([of_layer.mean() for of_layer in found])
    order = jnp.argsort(-exponents)
    return {
        "exponents": exponents[order],
        "layer_of_exponent": jnp.concatenate(number)[order],
        "exponents_error": jnp.concatenate([one.standard_error() for one in found])[order],
        "first_non_finite_step": first_non_finite_step(trajectory.states),
    }
