"""Norms of the gradient on its way back: every lag from one pass, every length from one pass.

  by lag:     ||dL_T/dh_{T-k}||,  k = 0..T, from one backward scan                 (1)
  by length:  ||dL_t/dh_0||,      t = 1..T, from one forward scan of the product
              M_t = J_t M_{t-1}, M_0 = I, as ||g_t^T M_t||                         (2)

L_t is the loss of step t alone, or u.h_t with a fixed unit vector u (pure transport). T is the last
step whose mask is not 0.
"""

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, real_view, scaled, scan
from rnnjax.ranges import COUNT_OR_NONE, arguments
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
@arguments(segment=COUNT_OR_NONE)
def log_norm_by_lag(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    segment: int | None = None,
) -> dict[str, Array]:
    """Measure ||dL_T/dh_{T-k}|| at every lag k, equation (1).

    Args:
      cell: the cell.
      loss: the loss of one step; None for pure transport.
      params: parameters.
      batch: one sequence.
      segment: steps kept in memory at once, for long sequences; None for all.

    Returns:
      ``log_norm``: natural log of the norm, (T+1,), index k; NaN beyond the length of the sequence.
    """
    keep = scaled.log_norm_of_normal
    return {"log_norm": adjoint.by_lag(cell, loss, params, batch, keep, segment)}


@boundary.of_probe
def log_norm_by_length(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch
) -> dict[str, Array]:
    """Measure ||dL_t/dh_0|| for every length t = 1..T, equation (2).

    M_t is one matrix with one exponent, so the result is right to rounding times
    ||g_t|| ||M_t|| / ||g_t^T M_t||: a loss that sees nothing of the directions that grow (a unit
    uncoupled from them) is better measured by `log_norm_by_lag`, length by length.

    Args:
      cell: the cell.
      loss: the loss of one step; None for pure transport.
      params: parameters.
      batch: one sequence.

    Returns:
      ``log_norm_by_length``: natural log of the norm, (T,), index t - 1; NaN beyond the length of
      the sequence.
    """
    view = real_view.for_jacobians(cell, params, batch.x[0])
    cell, params = view.seen, view.inward(params)
    trajectory = scan.of_batch(cell, params, batch)
    ends = cotangents.last_step_cotangent(cell, loss, params, trajectory.plain, batch.y)
    residuals = scan.residuals(cell, params, trajectory)

    # g_t^T M_t = (J_t^T g_t)^T M_{t-1}: all J_t^T g_t are one product ahead of the scan.
    pulled = adjoint.rmv_of_steps(cell, params, residuals, ends)

    def step(M: Scaled, at: tuple) -> tuple[Scaled, Scaled]:
        kept, v = at
        arriving = Scaled(v.value @ M.value, M.exponent + v.exponent)
        moved = kept.bound(cell, params).mm(M.value)
        return scaled.normalise(moved.value, M.exponent + moved.exponent), arriving

    start = scaled.normalise(jnp.eye(trajectory.h_prev.shape[1], dtype=trajectory.h_prev.dtype))
    _, arriving = jax.lax.scan(step, start, (residuals, pulled))
    log_norm = jnp.where(batch.counts, scaled.log_norm(arriving), jnp.nan)
    return {"log_norm_by_length": log_norm}
