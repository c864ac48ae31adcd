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

u_i 2^{e_p - e_i} is a quotient of entries of B, so that (2) acts on B and D is never multiplied in.
Only matrix and elementwise operations are used: it runs under vmap, on any device.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class _Reflection(NamedTuple):
    """v and c of equation (2), the pivot row, and what turns R_jj positive."""

    v: Array
    c: Array
    pivot: Array
    phase: Array


def graded_qr(rows: Scaled) -> tuple[Array, Array]:
    """Return Q (n, k) with orthonormal columns, and log |R_jj| (k,), R_jj >= 0.

    Args:
      rows: A as stacked rows, value (n, k), exponent (n,); n >= k.

    Returns:
      Q, and the natural logs; -inf where a column depends on those before it exactly.
    """
    n, k = rows.value.shape
    start = (rows.value, jnp.ones(n, bool))
    _, (reflections, logs) = jax.lax.scan(
        lambda carry, j: _eliminated(carry, j, rows.exponent), start, jnp.arange(k)
    )

    def back(Q: Array, at: tuple[_Reflection, Array]) -> tuple[Array, None]:
        (v, c, pivot, phase), j = at
        Q = Q.at[pivot, j].set(phase)
        return Q - c * jnp.outer(v, v.conj() @ Q), None

    steps = (reflections, jnp.arange(k))
    Q, _ = jax.lax.scan(back, jnp.zeros_like(rows.value), steps, reverse=True)
    return Q, logs


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
    w = c * ((v.conj() * weight) @ B)
    B = B - jnp.outer(jnp.where(is_pivot, v, quotient), w)
    log = jnp.where(found, size[pivot] + jnp.log(jnp.where(found, r, 1)), -jnp.inf)
    phase = jnp.where(found, -x_p / jnp.abs(x_p), 1)
    return (B, free & ~is_pivot), (_Reflection(v, c, pivot, phase), log)
