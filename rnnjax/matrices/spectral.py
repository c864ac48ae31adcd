"""Spectral radius and norm of a square matrix, in logs.

By Gelfand's formula with repeated squaring (matrix products only, so that it runs under vmap and on
any device):

  log rho(W) = lim_m 2^-m log ||W^(2^m)||                                       (1)
"""

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.types import Array


def log_spectral_radius(W: Array) -> Array:
    """Return log max |eigenvalue|, (), of W (n, n), equation (1); -inf where a power of W is 0."""

    # W^(2^m) = V exp(2^m s): V stays near 1, and s, unlike the exponent of the power, in range.
    def square(carry: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        V, s = carry
        power = scaled.normalise(V @ V)
        return (power.value, s + power.exponent * scaled.LOG_2 * weight), None

    start = scaled.normalise(W)
    # As many as the dtype has digits: what is left, 2^-m log(condition number), is then rounding.
    n_squarings = jnp.finfo(W.dtype).nmant + 1
    weights = 0.5 ** jnp.arange(1, n_squarings + 1, dtype=W.real.dtype)
    (V, s), _ = jax.lax.scan(square, (start.value, start.exponent * scaled.LOG_2), weights)
    last = jnp.log(jnp.linalg.norm(V)) * weights[-1]
    return jnp.where(jnp.any(V != 0), s + last, -jnp.inf)


def log_spectral_norm(W: Array) -> Array:
    """Return log of the largest singular value, (), of W (m, n): rho(W^H W)^(1/2)."""
    unit = scaled.normalise(W)
    V = unit.value
    return 0.5 * log_spectral_radius(V.conj().T @ V) + unit.exponent * scaled.LOG_2
