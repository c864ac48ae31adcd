"""QR decomposition of a matrix whose rows differ by hundreds of orders of magnitude.

  A = D B = Q R,   D = diag(2^e_i), B of ordinary size                          (1)

is the Jacobian of a saturated network times an orthonormal basis: the slope of a unit multiplies a
row. An ordinary decomposition loses every |R_jj| below epsilon times the largest row. Householder
reflections with the largest entry of each column as the pivot keep the small rows small, and with
them all of R to the relative accuracy of the dtype (Cox and Higham, Stability of Householder QR
factorization for weighted least squares problems, Numerical Analysis 1997). With x the column, p
its pivot row, u = x / x_p and r = |u|, the reflection of step j is

  H = I - c v v^H,   v = u + r e_p,   c = 1 / (r (r + 1))                       (2)
  |R_jj| = |x_p| r                                                              (3)

u_i 2^{e_p - e_i} is a quotient of entries of B, so that (2) acts on B and D is never multiplied
in: B <- B - l r^H B, with l the quotients and r = c v 2^{e - e_p}. The reflections of a panel of
columns act on all columns at once, as products of matrices,

  B <- B - L (I + S)^-1 R^H B,   S = the part of R^H L below its diagonal       (4)

(after Schreiber and Van Loan, A storage-efficient WY representation for products of Householder
transformations, SIAM Journal on Scientific and Statistical Computing, 1989). Only matrix and
elementwise operations are used: it runs under vmap, on any device. A large matrix whose rows all
fit the range of the dtype side by side goes to LAPACK on a CPU, the largest rows first, which is
twice as fast.

Reverse-mode differentiation does not go through the k eliminations. With cotangents q of Q and l of
log |R_jj|, and L the lower triangle of q^T Q together with its mirror image,

  dA = (q + Q (diag(l) - L)) R^-T                                               (5)

(Walter and Lehmann, Algorithmic differentiation of linear algebra functions with application in
optimum experimental design, preprint, 2010), which is solved with the rows of R as they were left
by (2), without ever multiplying D in.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import lanes, scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_PANEL = 32  # columns to a panel; up to twice as many are one
_LARGE = 96  # rows from which LAPACK is faster, also where it takes lane after lane
MILD = 40  # exponents between the largest and the smallest row that one dtype holds with ease


class _Reflection(NamedTuple):
    """v and c of equation (2), l and r^H of (4), the pivot row, and what turns R_jj positive."""

    v: Array
    c: Array
    left: Array
    right: Array
    pivot: Array
    phase: Array


def graded_qr(rows: Scaled) -> tuple[Array, Array]:
    """Return Q (n, k) with orthonormal columns, and log |R_jj| (k,), R_jj >= 0.

    Args:
      rows: A as stacked rows, value (n, k), exponent (n,); n >= k.

    Returns:
      Q, and the natural logs; -inf where a column depends on those before it exactly.
    """
    if jnp.iscomplexobj(rows.value):
        return _decomposed(rows)[:2]
    return _with_gradient(rows.value, rows.exponent)


@jax.custom_vjp
def _with_gradient(value: Array, exponent: Array) -> tuple[Array, Array]:
    return _decomposed(Scaled(value, exponent))[:2]


def _kept(value: Array, exponent: Array) -> tuple[tuple[Array, Array], tuple]:
    Q, logs, R = _decomposed(Scaled(value, exponent))
    return (Q, logs), (Q, R, exponent)


def _gradient(kept: tuple[Array, Scaled, Array], cotangents: Any) -> tuple[Array, None]:
    """Return the cotangent of B, equation (5)."""
    Q, R, exponent = kept
    q, l = cotangents
    L = q.T @ Q
    Y = q + Q @ (jnp.diag(l) - jnp.tril(L) - jnp.tril(L, -1).T)
    Y = Y * scaled.power_of_two(exponent[:, None] - R.exponent[None], Y.dtype)

    def column(X: Array, at: tuple[Array, Array, Array]) -> tuple[Array, None]:
        y, row, j = at
        return X.at[:, j].set((y - X @ row) / jnp.where(row[j] != 0, row[j], 1)), None

    # The columns that are still to come are 0 in X, so that each may use the whole row of R.
    at = (Y.T, R.value, jnp.arange(len(R.value)))
    return jax.lax.scan(column, jnp.zeros_like(Y), at, reverse=True)[0], None


_with_gradient.defvjp(_kept, _gradient)


def _decomposed(rows: Scaled) -> tuple[Array, Array, Scaled]:
    """Return Q, log |R_jj|, and R as stacked rows."""
    if len(rows.value) < _LARGE or jax.default_backend() != "cpu":
        return _by_elimination(rows)
    spread = jnp.max(rows.exponent) - jnp.min(rows.exponent)
    return jax.lax.cond(lanes.in_all(spread <= MILD), _by_lapack, _by_elimination, rows)


def _by_lapack(rows: Scaled) -> tuple[Array, Array, Scaled]:
    top = jnp.max(rows.exponent)
    order = jnp.argsort(-rows.exponent)
    A = rows.value * scaled.power_of_two(rows.exponent - top, rows.value.dtype)[:, None]
    Q, R = jnp.linalg.qr(A[order])
    diagonal = jnp.diagonal(R)
    phase = jnp.where(diagonal == 0, 1, diagonal / jnp.where(diagonal == 0, 1, jnp.abs(diagonal)))
    Q = jnp.zeros_like(Q).at[order].set(Q * phase[None])
    logs = jnp.log(jnp.abs(diagonal)) + top * scaled.LOG_2
    return Q, logs, Scaled(phase.conj()[:, None] * R, jnp.full(len(R), top))


def _by_elimination(rows: Scaled) -> tuple[Array, Array, Scaled]:
    n, k = rows.value.shape
    width = _PANEL if k > 2 * _PANEL else k
    # Columns of nothing fill the last panel: they reflect nothing and are cut off again.
    B = jnp.pad(rows.value, ((0, 0), (0, -k % width)))
    panels = jnp.arange(B.shape[1]).reshape(-1, width)

    def eliminate(carry: tuple[Array, Array], at: Array) -> tuple[tuple, tuple]:
        B, free = carry
        columns = jax.lax.dynamic_slice_in_dim(B, at[0], width, axis=1)
        (columns, free), (reflections, logs) = jax.lax.scan(
            lambda carry, j: _eliminated(carry, j, rows.exponent),
            (columns, free),
            jnp.arange(width),
        )
        if width < k:
            left, right = reflections.left.T, reflections.right
            B = B - left @ (_inverse(right @ left) @ (right @ B))
        B = jax.lax.dynamic_update_slice_in_dim(B, columns, at[0], axis=1)
        # Later panels leave the rows of earlier pivots alone.
        R = reflections.phase.conj()[:, None] * B[reflections.pivot]
        return (B, free), (reflections, logs, R)

    start = (B, jnp.ones(n, bool))
    _, (reflections, logs, R) = jax.lax.scan(eliminate, start, panels)
    Q = _accumulated(jnp.zeros_like(B), reflections, width if width < k else 1)
    pivots = reflections.pivot.reshape(-1)[:k]
    # Below its diagonal R holds what is left of the eliminated columns, which is rounding.
    R = jnp.triu(R.reshape(B.shape[1], -1)[:k, :k])
    return Q[:, :k], logs.reshape(-1)[:k], Scaled(R, rows.exponent[pivots])


def _accumulated(Q: Array, reflections: _Reflection, width: int) -> Array:
    """Return the product of all reflections, `width` of them at a time, last ones first."""

    def back(Q: Array, panel: tuple[_Reflection, Array]) -> tuple[Array, None]:
        (v, c, _, _, pivot, phase), at = panel
        Q = Q.at[pivot, at].set(phase)
        left, right = (c[:, None] * v)[::-1].T, v[::-1].conj()
        return Q - left @ (_inverse(right @ left) @ (right @ Q)), None

    flat = jax.tree.map(lambda a: a.reshape(-1, width, *a.shape[2:]), reflections)
    at = jnp.arange(Q.shape[1]).reshape(-1, width)
    return jax.lax.scan(back, Q, (flat, at), reverse=True)[0]


def _inverse(M: Array) -> Array:
    """Return (I + S)^-1, S the part of M below its diagonal, row after row."""
    if len(M) == 1:
        return jnp.ones_like(M)
    S, one = jnp.tril(M, -1), jnp.eye(len(M), dtype=M.dtype)
    rows, _ = jax.lax.scan(
        lambda X, i: (X.at[i].set(one[i] - S[i] @ X), None), jnp.zeros_like(M), jnp.arange(len(M))
    )
    return rows


def _eliminated(
    carry: tuple[Array, Array], j: Array, exponent: Array
) -> tuple[tuple[Array, Array], tuple[_Reflection, Array]]:
    """Apply equation (2) to B and return log |R_jj| by equation (3)."""
    B, free = carry
    x = B[:, j]
    there = free & (x != 0)
    size = jnp.where(there, jnp.log(jnp.abs(x)) + exponent * scaled.LOG_2, -jnp.inf)
    found = jnp.any(there)
    # A column of nothing takes any row that is left, and stays as it is.
    pivot = jnp.where(found, jnp.argmax(size), jnp.argmax(free))
    is_pivot = jnp.arange(len(x)) == pivot
    x_p = jnp.where(found, x[pivot], 1)
    weight = jnp.where(free, scaled.power_of_two(exponent - exponent[pivot], x.dtype), 0)
    quotient = jnp.where(free, x / x_p, 0)
    u = quotient * weight
    r = jnp.sqrt(jnp.sum((u * u.conj()).real))
    c = jnp.where(found, 1 / jnp.where(found, r * (r + 1), 1), 0)
    v = u + jnp.where(is_pivot, r, 0)
    left, right = jnp.where(is_pivot, v, quotient), c * v.conj() * weight
    B = B - jnp.outer(left, right @ B)
    log = jnp.where(found, size[pivot] + jnp.log(jnp.where(found, r, 1)), -jnp.inf)
    phase = jnp.where(found, -x_p / jnp.abs(x_p), 1)
    return (B, free & ~is_pivot), (_Reflection(v, c, left, right, pivot, phase), log)
