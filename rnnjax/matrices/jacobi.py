"""Singular values of a graded matrix, in logs.

D R with D a diagonal that may span hundreds of orders of magnitude and R well scaled: one-sided
Jacobi rotations of its rows find every singular value to high relative accuracy, where an ordinary
decomposition loses all below epsilon times the largest (Demmel and Veselic, Jacobi's method is more
accurate than QR, SIAM Journal on Matrix Analysis, 1992).
"""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array

# Convergence is quadratic in the end: 9 sweeps leave rounding at n = 64, in float64. A fixed number
# can be differentiated in reverse, a test for convergence cannot.
_N_SWEEPS = 12


def log_singular_values(rows: Scaled) -> Array:
    """Return the natural logs of the singular values of a square matrix, descending, (n,).

    Args:
      rows: the matrix as stacked rows, value (n, n), exponent (n,).

    Returns:
      (n,), -inf for a value that is exactly 0.
    """
    n = rows.exponent.shape[0]
    padded = n + n % 2
    rows = jax.tree.map(lambda a: jnp.pad(a, [(0, padded - n)] + [(0, 0)] * (a.ndim - 1)), rows)
    rounds = jnp.asarray(_round_robin(padded))

    def sweep(rows: Scaled, _: None) -> tuple[Scaled, None]:
        return jax.lax.scan(_rotate, rows, rounds)[0], None

    rows, _ = jax.lax.scan(sweep, scaled.renormalise(rows), None, length=_N_SWEEPS)
    return jnp.sort(scaled.log_norm(rows), descending=True)[:n]


def _round_robin(n: int) -> np.ndarray:
    """Return n-1 rounds of n/2 disjoint pairs that meet every pair once, (n-1, 2, n/2)."""
    players = list(range(n))
    rounds = []
    for _ in range(n - 1):
        rounds.append([players[: n // 2], players[: n // 2 - 1 : -1]])
        players = [players[0], players[-1], *players[1:-1]]
    return np.array(rounds)


def _rotate(rows: Scaled, pairs: Array) -> tuple[Scaled, None]:
    """Make n/2 disjoint pairs of rows orthogonal.

    With a >= b the norms of the longer row x and the shorter y, delta = b/a and c their cosine, the
    Jacobi rotation in units of each row's own norm is

      x/a <- (x/a + delta^2 kappa y/b) / sqrt(1 + (delta kappa)^2)
      y/b <- (y/b -         kappa x/a) / sqrt(1 + (delta kappa)^2)
      kappa = 2c / ((1 - delta^2) + sqrt((1 - delta^2)^2 + (2 delta c)^2))

    so that delta may underflow and nothing is lost.
    """
    first, second = (jax.tree.map(lambda a, i=i: a[i], rows) for i in pairs)
    swap = scaled.log_norm(second) > scaled.log_norm(first)
    x, y = _ordered(swap, first, second)
    x_hat, x_size = _direction(x)
    y_hat, y_size = _direction(y)
    inner = jnp.sum(x_hat.conj() * y_hat, axis=1)
    c = _root(jnp.square(inner.real) + jnp.square(inner.imag))
    # Turning y by a phase (a sign, if real) makes the inner product positive.
    y_hat = y_hat * jnp.where(c > 0, inner.conj() / jnp.where(c > 0, c, 1), 1)[:, None]
    ratio = y_size / jnp.where(x_size > 0, x_size, 1)
    delta = scaled.lower(ratio, y.exponent - x.exponent)
    gap = 1 - delta**2
    bottom = gap + _root(gap**2 + (2 * delta * c) ** 2)
    kappa = jnp.where(c > 0, 2 * c / jnp.where(bottom > 0, bottom, 1), 0)
    shrink = 1 / jnp.sqrt(1 + (delta * kappa) ** 2)
    new_x = (x_hat + (delta**2 * kappa)[:, None] * y_hat) * (shrink * x_size)[:, None]
    new_y = (y_hat - kappa[:, None] * x_hat) * (shrink * y_size)[:, None]
    new = _ordered(swap, scaled.normalise(new_x, x.exponent), scaled.normalise(new_y, y.exponent))
    for i, row in zip(pairs, new, strict=True):
        rows = jax.tree.map(lambda a, r, i=i: a.at[i].set(r), rows, row)
    return rows, None


def _ordered(swap: Array, a: Scaled, b: Scaled) -> tuple[Scaled, Scaled]:
    def choose(u: Array, v: Array) -> Array:
        return jnp.where(swap.reshape(swap.shape + (1,) * (u.ndim - 1)), v, u)

    return jax.tree.map(choose, a, b), jax.tree.map(choose, b, a)


def _direction(rows: Scaled) -> tuple[Array, Array]:
    """Return unit rows (zero for zero) and the norms of the mantissas."""
    square = jnp.square(rows.value.real) + jnp.square(rows.value.imag)
    size = _root(jnp.sum(square, axis=1))
    return rows.value / jnp.where(size > 0, size, 1)[:, None], size


def _root(square: Array) -> Array:
    """Return the square root, with derivative 0 and not NaN at 0."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
