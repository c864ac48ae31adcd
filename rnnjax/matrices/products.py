"""Products of many matrices, P_L = W_L ... W_1: how their directions grow, and their norms.

|R_t,ii| of Q_t R_t = W_t Q_{t-1}, whose mean logarithms are the Lyapunov exponents     (1)
ln ||P_L||_2,   tr(P_L P_L^T) / n,   tr((P_L P_L^T)^2) / n                              (2)
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnjax.matrices.qr import graded_qr
from rnnjax.matrices.spectral import log_spectral_norm
from rnnjax.ranges import COUNT, arguments
from rnnjax.scaled import Scaled
from rnnjax.types import Array

Factor = Callable[[Array], Array]
"""t -> W_{t+1}, (n, n), for t = 0, 1, ..."""


@arguments(n=COUNT, n_factors=COUNT)
def growth_of_directions(factor: Factor, n: int, n_factors: int) -> Array:
    """Return ln |R_t,ii| of equation (1), nats, (n_factors, n).

    Args:
      factor: the matrices.
      n: their size.
      n_factors: how many.
    """

    def step(Q: Array, t: Array) -> tuple[Array, Array]:
        return graded_qr(Scaled(factor(t) @ Q, jnp.zeros(n, jnp.int32)))

    return jax.lax.scan(step, jnp.eye(n), jnp.arange(n_factors))[1]


@arguments(n=COUNT, n_factors=COUNT)
def exponents_of_products(factor: Factor, n: int, n_factors: int) -> tuple[Array, Array]:
    """Return the Lyapunov exponents of a product of independent matrices, and standard errors.

    The errors are those of a mean of independent growths: they hold for factors that do not know
    the directions before them, as Gaussian ones do not.

    Args:
      factor: the matrices, at least two.
      n: their size.
      n_factors: how many.

    Returns:
      mean of equation (1) and its standard error, nats a factor, (n,) each.
    """
    logs = growth_of_directions(factor, n, n_factors)
    return jnp.mean(logs, axis=0), jnp.std(logs, axis=0) / (n_factors - 1) ** 0.5


@arguments(n_factors=COUNT)
def log_eigenvalues(W: Array, n_factors: int) -> Array:
    """Return ln |eigenvalue|, descending, (n,): the exponents of powers of W, by equation (1).

    They are exact to a few nats over the number of factors, of which the first quarter is left out.

    Args:
      W: (n, n).
      n_factors: how many times W is applied.
    """
    logs = growth_of_directions(lambda t: W, len(W), n_factors)
    return -jnp.sort(-jnp.mean(logs[n_factors // 4 :], axis=0))


@arguments(n=COUNT, n_factors=COUNT)
def norms_of_products(factor: Factor, n: int, n_factors: int) -> dict[str, Array]:
    """Return the norms and moments of equation (2) after each factor, as plain numbers.

    Args:
      factor: the matrices, of a size at which no product leaves the dtype.
      n: their size.
      n_factors: how many.

    Returns:
      ``log_norm``, nats, ``first_moment`` and ``second_moment``, (n_factors,) each.
    """

    def step(P: Array, t: Array) -> tuple[Array, dict[str, Array]]:
        P = factor(t) @ P
        G = P @ P.T
        return P, {
            "log_norm": log_spectral_norm(P),
            "first_moment": jnp.trace(G) / n,
            "second_moment": jnp.sum(G**2) / n,
        }

    return jax.lax.scan(step, jnp.eye(n), jnp.arange(n_factors))[1]
