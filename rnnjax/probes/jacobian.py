"""Singular values of the Jacobian product by lag, in logs.

  M_k = J_T J_{T-1} ... J_{T-k+1} = dh_T/dh_{T-k}                                  (1)

Its singular values soon span more orders of magnitude than any float has digits, so the product is
never formed: M_k^T = Q_k D_k R_k with Q orthonormal, D a diagonal of exponents, R scaled by rows,

  J^T Q_k = Q_{k+1} r,   D_{k+1} R_{k+1} = r D_k R_k                               (2)

and the singular values of D R come from one-sided Jacobi rotations (see `rnnjax.matrices`).
"""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, matrices, scaled, scan
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


def log_singular_values(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, *, every: int = 1
) -> dict[str, Array]:
    """Measure the singular values of dh_T/dh_{T-k} at the lags k = every, 2 every, ...

    Args:
      cell: the cell.
      loss: not used: the Jacobian product knows no loss.
      params: parameters.
      batch: one sequence.
      every: distance between the lags reported.

    Returns:
      ``log_singular_values``: natural logs, descending, (T // every, n_h); -inf for a value that is
      0 to the rounding of one step's Jacobian (a relu network loses rank for good).

    Raises:
      ValueError: every is not between 1 and T.
    """
    n_steps = batch.x.shape[0]
    if not 1 <= every <= n_steps:
        raise ValueError(f"every: expected a number of lags between 1 and {n_steps}, got {every}")
    trajectory = scan.unroll(cell, params, batch.x)
    locals_ = jax.vmap(lambda h, d: dynamics.local(cell, params, h, d))(
        trajectory.h_prev, trajectory.drive
    )
    n_lags = n_steps // every
    backward = jax.tree.map(
        lambda a: a[::-1][: n_lags * every].reshape((n_lags, every, *a.shape[1:])), locals_
    )

    def one_step(carry: tuple[Array, Scaled], at: tuple) -> tuple[tuple[Array, Scaled], None]:
        Q, rows = carry
        local, exponent = at
        columns = jax.vmap(lambda v: dynamics.pull(cell, params, local, v), in_axes=1, out_axes=1)(
            Q
        )
        scale = scaled.normalise(columns)
        Q, r = jnp.linalg.qr(scale.value)
        rows = _times_graded(_without_rounding(r), rows)
        return (Q, Scaled(rows.value, rows.exponent + scale.exponent + exponent)), None

    def one_lag(carry: tuple[Array, Scaled], at: tuple) -> tuple[tuple[Array, Scaled], Array]:
        carry, _ = jax.lax.scan(one_step, carry, at)
        return carry, matrices.log_singular_values(carry[1])

    _, values = jax.lax.scan(one_lag, _start(trajectory.h_prev[0]), backward)
    return {"log_singular_values": values}


def _start(state: Array) -> tuple[Array, Scaled]:
    """Return the identity as Q times Q^H.

    A generic Q, because then the directions come out in descending order of growth and the rows of
    D R stay far from parallel; coordinate axes can hold them in any order for ever.
    """
    n = state.shape[0]
    generic = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    Q = jnp.asarray(generic, state.dtype)
    return Q, scaled.normalise(Q.conj().T, jnp.zeros(n, jnp.int32))


def _without_rounding(r: Array) -> Array:
    """Return r with the rows that are nothing but rounding set to 0: the rank that QR blurs."""
    size = jnp.max(jnp.abs(r), axis=1, keepdims=True)
    return jnp.where(size > len(r) * jnp.finfo(r.dtype).eps * jnp.max(size), r, 0)


def _times_graded(r: Array, rows: Scaled) -> Scaled:
    """Return r D R as stacked rows, for r (n, n) and rows D R, equation (2)."""
    exponent = jnp.where(r != 0, rows.exponent[None, :], scaled.ZERO_EXPONENT)
    top = jnp.max(exponent, axis=1)
    # Entry by entry, since 2^(e_j - e_i) spans what no common factor could.
    weights = jax.vmap(jax.vmap(scaled.lower))(r, exponent - top[:, None])
    return scaled.normalise(weights @ rows.value, top)
