"""What a spectrum of Lyapunov exponents says of an attractor: its dimension and its entropy."""

import jax.numpy as jnp

from rnnjax.analysis.given import vector
from rnnjax.types import Array


def kaplan_yorke_dimension(exponents: Array) -> Array:
    """Return the Kaplan-Yorke dimension of a whole spectrum, ().

    j + (lambda_1 + ... + lambda_j) / |lambda_{j+1}| with j the largest number of leading exponents
    whose sum is not negative: 0 if the largest exponent is negative, n_h if j = n_h. Kaplan and
    Yorke, Chaotic behavior of multidimensional difference equations, 1979.

    Args:
      exponents: in any order, (n_h,).

    Raises:
      ValueError: they are no vector of real numbers.
    """
    exponents = vector("exponents", exponents)
    ordered = -jnp.sort(-exponents)
    sums = jnp.cumsum(ordered)
    n = len(ordered)
    j = jnp.sum(jnp.cumprod((sums >= 0).astype(int)))
    kept = jnp.where(j > 0, sums[jnp.maximum(j, 1) - 1], 0)
    following = ordered[jnp.minimum(j, n - 1)]
    dimension = j + jnp.where(j < n, kept / jnp.where(j < n, -following, 1), 0)
    return jnp.where(jnp.any(jnp.isnan(exponents)), jnp.nan, dimension)


def entropy_rate(exponents: Array) -> Array:
    """Return the sum of the positive exponents, nats per step, ().

    Pesin, Characteristic Lyapunov exponents and smooth ergodic theory, 1977.

    Args:
      exponents: (k,).

    Raises:
      ValueError: they are no vector of real numbers.
    """
    exponents = vector("exponents", exponents)
    return jnp.sum(jnp.maximum(exponents, 0))
