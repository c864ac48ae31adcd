"""Singular values of the Jacobian product by lag, in logs.

  M_k = J_T J_{T-1} ... J_{T-k+1} = dh_T/dh_{T-k}                                  (1)

Its singular values soon span more orders of magnitude than any float has digits, so the product is
never formed: M_k^T = Q_k D_k R_k with Q orthonormal, D a diagonal of exponents, R scaled by rows,

  J^T Q_k = Q_{k+1} r,   D_{k+1} R_{k+1} = r D_k R_k                               (2)

and the singular values of D R come from one-sided Jacobi rotations (see `rnnjax.matrices`). Its
right singular vectors are those of M_k on the side of h_T: the directions in which h_T answers to
perturbations k steps before.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, masks, matrices, real_view, scaled, scan, tangents
from rnnjax.ranges import COUNT, arguments
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


@boundary.of_probe
@arguments(every=COUNT)
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
      0 to the rounding of one step's Jacobian (a relu network loses rank for good), NaN beyond the
      length of the sequence. A complex state whose step is not holomorphic counts as 2 n_h entries.

    Raises:
      ValueError: every is not between 1 and T.
    """
    values = _by_lag(cell, params, batch, every, matrices.log_singular_values)
    return {"log_singular_values": values}


@boundary.of_probe
@arguments(every=COUNT)
def leading_directions(
    cell: Cell, loss: StepLoss | None, params: Params, batch: Batch, *, every: int = 1
) -> dict[str, Array]:
    """Measure in which direction dh_T/dh_{T-k} answers most, and how it turns with the lag.

    Args:
      cell: the cell.
      loss: not used: the Jacobian product knows no loss.
      params: parameters.
      batch: one sequence.
      every: distance between the lags reported: every, 2 every, ...

    Returns:
      ``singular_direction``: the leading singular vector on the side of h_T, up to its sign,
      (T // every, n_h). ``log_gap``: ln of the largest over the second singular value,
      (T // every,). ``angle``: radians from each direction to that of the next lag reported, in
      [0, pi/2], (T // every - 1,). Where the gap is below the root of rounding the direction is
      arbitrary, and both angles to it are NaN.

    Raises:
      ValueError: every is not between 1 and T.
    """
    direction, log_gap = _by_lag(cell, params, batch, every, _leading)
    dot = jnp.sum(direction[1:] * direction[:-1].conj(), axis=1, keepdims=True)
    phase = jnp.where(dot == 0, 1, dot) / jnp.where(dot == 0, 1, jnp.abs(dot))
    # By the chord: the cosine of a small angle is 1 to rounding.
    chord = jnp.linalg.norm(direction[1:] - phase * direction[:-1], axis=1)
    angle = 2 * jnp.arcsin(jnp.minimum(chord / 2, 0.5**0.5))
    clear = log_gap > jnp.finfo(log_gap.dtype).eps ** 0.5
    angle = jnp.where(clear[1:] & clear[:-1], angle, jnp.nan)
    return {"singular_direction": direction, "log_gap": log_gap, "angle": angle}


def _leading(rows: Scaled) -> tuple[Array, Array]:
    """Return the leading right singular vector of D R, (n,), and ln s_1/s_2, ()."""
    # What is lost below the largest row is lost below the second singular value's rounding.
    A = scaled.lower(rows.value, (rows.exponent - jnp.max(rows.exponent))[:, None])

    def square(G: Array, _: None) -> tuple[Array, None]:
        power = G @ G
        return power / jnp.linalg.norm(power), None

    # (s_2/s_1)^(2^(m+1)) falls below rounding for every gap that `leading_directions` calls clear.
    n_squarings = jnp.finfo(A.dtype).nmant // 2 + 6
    G = A.conj().T @ A
    G, _ = jax.lax.scan(square, G / jnp.linalg.norm(G), length=n_squarings)
    sizes = jnp.linalg.norm(G, axis=0)
    column = G[:, jnp.argmax(sizes)]
    u = column / jnp.linalg.norm(column)
    answer = A @ u
    rest = A - jnp.outer(answer, u.conj())
    return u, jnp.log(jnp.linalg.norm(answer)) - matrices.log_spectral_norm(rest)


def _by_lag(
    cell: Cell, params: Params, batch: Batch, every: int, read: Callable[[Scaled], Any]
) -> Any:
    """Return what is read off D R at the lags every, 2 every, ..., stacked."""
    n_steps = batch.x.shape[0]
    if not 1 <= every <= n_steps:
        raise ValueError(f"every: expected a number of lags between 1 and {n_steps}, got {every}")
    view = real_view.for_jacobians(cell, params, batch.x[0])
    cell, params = view.seen, view.inward(params)
    trajectory = scan.of_batch(cell, params, batch)
    residuals = scan.residuals(cell, params, trajectory)
    n_lags = n_steps // every
    length = masks.length(batch.mask)
    lags = jnp.arange(n_lags * every, dtype=jnp.int32)
    backward = jax.tree.map(
        lambda a: a[jnp.maximum(length - 1 - lags, 0)].reshape((n_lags, every, *a.shape[1:])),
        residuals,
    )

    def one_step(carry: tuple[Array, Scaled], at: Residuals) -> tuple[tuple[Array, Scaled], None]:
        Q, rows = carry
        J = at.bound(cell, params)
        columns = tangents.rmm(J, Q)
        scale = scaled.normalise(columns.value)
        Q, r = jnp.linalg.qr(scale.value)
        rows = _times_graded(_without_rounding(r), rows)
        return (Q, Scaled(rows.value, rows.exponent + scale.exponent + columns.exponent)), None

    def one_lag(carry: tuple[Array, Scaled], at: Residuals) -> tuple[tuple[Array, Scaled], Any]:
        carry, _ = jax.lax.scan(one_step, carry, at)
        return carry, read(carry[1])

    found = jax.lax.scan(one_lag, _start(trajectory.h_prev[0]), backward)[1]
    reached = every * jnp.arange(1, n_lags + 1, dtype=jnp.int32) <= length
    return jax.tree.map(
        lambda a: jnp.where(jax.lax.expand_dims(reached, range(1, a.ndim)), a, jnp.nan), found
    )


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
    """Return r with the rows that are nothing but rounding set to 0: the rank that QR blurs.

    A pivot that is small beside its row turns the span of the columns before it, so that the rows
    below hold its rounding that many times over.
    """
    size = jnp.max(jnp.abs(r), axis=1)
    pivot = jnp.abs(jnp.diagonal(r))
    turned = jnp.where(pivot > 0, size / jnp.where(pivot > 0, pivot, 1), 1)
    amplified = jnp.pad(jax.lax.cummax(turned)[:-1], (1, 0))
    rounding = (len(r) + amplified) * jnp.finfo(r.dtype).eps * jnp.max(size)
    return jnp.where((size <= rounding)[:, None], 0, r)  # what is NaN stays NaN


def _times_graded(r: Array, rows: Scaled) -> Scaled:
    """Return r D R as stacked rows, for r (n, n) and rows D R, equation (2)."""
    exponent = jnp.where(r != 0, rows.exponent[None, :], scaled.ZERO_EXPONENT)
    top = jnp.max(exponent, axis=1)
    # Entry by entry, since 2^(e_j - e_i) spans what no common factor could.
    weights = jax.vmap(jax.vmap(scaled.lower))(r, exponent - top[:, None])
    return scaled.normalise(weights @ rows.value, top)
