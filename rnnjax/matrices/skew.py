"""The exponential of a skew-symmetric matrix, orthogonal to rounding, in products alone.

  exp(A) = (sum_{k <= 16} B^k / k!)^(2^s),   B = 2^-s A,  |B| <= 1/2             (1)
  W <- W (3 I - W^T W) / 2                                                       (2)

Taylor's remainder is below 2^-17 / 17! = 2e-20. Each squaring doubles what rounding has left of
W^T W - I; (2) leaves its square, and changes W by what is not orthogonal alone. It is a step of
Newton and Schulz towards the nearest orthogonal matrix.

The program has no loop and no branch, so that a compiler may move it out of the loop over time in
which a cell needs it.

Bader, Blanes and Casas, Computing the matrix exponential with an optimized Taylor polynomial
approximation, Mathematics, 2019 (1); Higham, Functions of matrices, 2008 (2).
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.types import Array

_N_SQUARINGS = 9  # at most; |A| up to 256, angles of forty turns, beyond which digits are lost
_DEGREE = 16
_product = partial(jnp.matmul, precision="highest")


@jax.jit  # traced once however many steps and rules need it
def exp_of_skew(A: Array) -> Array:
    """Return exp(A), (n, n), for A = -A^T; NaN where |A|_F / sqrt(2) is beyond 256."""
    B, s, size = _scaled_down(A)
    W = _taylor(B)
    for k in range(_N_SQUARINGS):
        W = jnp.where(k < s, _product(W, W), W)
    eye = jnp.eye(len(A), dtype=A.dtype)
    W = 0.5 * _product(W, 3 * eye - _product(W.T, W))
    return jnp.where(size <= 2.0 ** (_N_SQUARINGS - 1), W, jnp.nan)


def _scaled_down(A: Array) -> tuple[Array, Array, Array]:
    """Return B and s of equation (1), and a bound of |A|."""
    # Singular values of a skew matrix come in pairs: its spectral norm is |A|_F / sqrt(2) at most.
    size = jax.lax.stop_gradient(jnp.sqrt(0.5 * jnp.sum(A * A)))
    s = jnp.clip(jnp.ceil(jnp.log2(2 * size)), 0, _N_SQUARINGS).astype(jnp.int32)
    return A * scaled.power_of_two(-s, A.dtype), s, size


def _taylor(B: Array) -> Array:
    """Return the series of equation (1), four powers at a time."""
    powers = [jnp.eye(len(B), dtype=B.dtype), B]
    for _ in range(3):
        powers.append(_product(powers[-1], B))

    def block(first: int) -> Array:
        terms = (p / float(math.factorial(first + k)) for k, p in enumerate(powers[:4]))
        return sum(terms, jnp.zeros_like(B))

    total = block(_DEGREE - 4) + powers[4] / float(math.factorial(_DEGREE))
    for first in range(_DEGREE - 8, -1, -4):
        total = _product(total, powers[4]) + block(first)
    return total
