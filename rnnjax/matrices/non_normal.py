"""How far a matrix is from normal, and what that allows: growth that no eigenvalue tells of.

  departure     (|W|_F^2 - sum_i |lambda_i|^2)^(1/2)                                  (1)
  abscissa      largest eigenvalue of (W + W^H) / 2                                   (2)
  participation (sum_i s_i^2)^2 / sum_i s_i^4                                         (3)

(1) is 0 for normal matrices and no others. (2) is the largest rate at which dh/dt = W h can grow at
once, whatever its eigenvalues say of later; a state grows in some direction if it is above 0. (3)
counts the directions that a map or a product of maps leaves open: n for a rotation, 1 for rank one.

Henrici, Bounds for iterates, inverses, spectral variation and fields of values of non-normal
matrices, Numerische Mathematik, 1962 (1); Trefethen and Embree, Spectra and pseudospectra, 2005.
"""

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.matrices.spectral import log_radius_of_hermitian, square_matrix
from rnnjax.ranges import refusal
from rnnjax.types import Array


def departure_from_normality(W: Array, eigenvalues: Array) -> Array:
    """Return equation (1), (); near 0 it is right to the root of rounding times |W|_F.

    Args:
      W: (n, n).
      eigenvalues: its eigenvalues, by whatever means the caller has, (n,).
    """
    unit = scaled.normalise(square_matrix("W", W))
    eigenvalues = jnp.asarray(eigenvalues)
    if eigenvalues.shape != unit.value.shape[:1]:
        expected = f"{len(unit.value)} numbers, as W has rows"
        raise refusal("eigenvalues", expected, eigenvalues.shape, shown_by=str)
    size = jnp.linalg.norm(unit.value)
    shares = scaled.shift(jnp.abs(eigenvalues), -unit.exponent) / jnp.where(size > 0, size, 1)
    rest = size * jnp.sqrt(jnp.maximum(0, 1 - jnp.sum(shares**2)))
    return scaled.shift(rest, unit.exponent)


def numerical_abscissa(W: Array) -> Array:
    """Return equation (2), (), to rounding times |W|_F, for W (n, n)."""
    W = square_matrix("W", W)
    unit = scaled.normalise(0.5 * (W + W.conj().T))
    # Shifted by its norm the symmetric part has no negative eigenvalue, and the largest one is the
    # largest in modulus.
    shift = jnp.linalg.norm(unit.value)
    shifted = unit.value + shift * jnp.eye(len(W), dtype=W.dtype)
    largest = jnp.exp(log_radius_of_hermitian(shifted)) - shift
    return scaled.shift(largest, unit.exponent)


def participation_ratio(log_singular_values: Array) -> Array:
    """Return equation (3), (), from singular values that may span hundreds of orders.

    Args:
      log_singular_values: natural logs, -inf for 0, (n,).
    """
    squares = 2 * log_singular_values
    total = jax.nn.logsumexp(squares)
    return jnp.exp(2 * total - jax.nn.logsumexp(2 * squares))
