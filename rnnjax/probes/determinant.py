"""The mean logarithm of the determinants of the Jacobians, which is the sum of all exponents.

  sum_i lambda_i = 1/T sum_t ln |det J_t|                                               (1)

Each Jacobian is decomposed by itself, so equation (1) checks a Lyapunov spectrum, whose directions
are carried through all steps.
"""

import jax
import jax.numpy as jnp

from rnnjax import boundary, dynamics, real_view, scan
from rnnjax.probes.growth import infinite_where
from rnnjax.probes.lyapunov import check_discarded, growth_along
from rnnjax.ranges import COUNT_OR_ZERO, arguments
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
@arguments(n_discarded=COUNT_OR_ZERO)
def mean_log_det(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    n_discarded: int = 0,
) -> dict[str, Array]:
    """Measure the right-hand side of equation (1).

    Args:
      cell: the cell.
      loss: not used.
      params: parameters.
      batch: one sequence.
      n_discarded: initial steps that are not counted.

    Returns:
      ``mean_log_det``: nats per step, (); -inf where a Jacobian is singular by construction.

    Raises:
      ValueError: n_discarded is not below T.
    """
    view = real_view.for_jacobians(cell, params, batch.x[0])
    cell, params = view.seen, view.inward(params)
    check_discarded(n_discarded, batch)
    trajectory = scan.of_batch(cell, params, batch)
    n_h = trajectory.h_prev.shape[1]

    def decomposed(at: Trajectory) -> tuple[Array, Array, Array]:
        step = jax.tree.map(lambda a: a[None], at)
        found = growth_along(cell, params, step, jnp.ones(1, bool), n_h, every=1)
        return jnp.sum(found.logs), found.clear, found.rank

    if dynamics.traits(cell).n_unread:
        return {"mean_log_det": jnp.asarray(-jnp.inf, trajectory.h_prev.real.dtype)}
    counted = batch.counts & (jnp.arange(len(batch.x)) >= n_discarded)
    logs, clear, rank = jax.lax.map(decomposed, trajectory)
    mean = jnp.sum(jnp.where(counted, logs, 0)) / jnp.sum(counted)
    is_singular = jnp.any(jnp.sum(jnp.where(counted[:, None], clear, 0), axis=0) <= 0)
    is_singular |= jnp.any(counted & (rank < n_h))
    return {"mean_log_det": infinite_where(is_singular & jnp.any(counted), mean)}
