"""Scale-free functions of square matrices.

Spectral radius by Gelfand's formula with repeated squaring (matrix products only, so that it runs
under vmap and on any device):

  log rho(W) = lim_m 2^-m log ||W^(2^m)||                                       (1)

and singular values of a graded matrix D R (D a diagonal that may span hundreds of orders of
magnitude, R well scaled) by one-sided Jacobi rotations of its rows, in logs. One-sided Jacobi finds
every singular value of such a matrix to high relative accuracy, where an ordinary decomposition
loses all below epsilon times the largest (Demmel and Veselic, Jacobi's method is more accurate than
QR, SIAM Journal on Matrix Analysis, 1992).
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


def solve(A: Array, b: Array) -> Array:
    """Return x with A x = b, by Gauss-Jordan elimination with partial pivoting.

    In place of `jnp.linalg.solve` where the call stands in a loop on several devices of one host:
    there jaxlib 0.10.2 may wait for ever.

    Args:
      A: (n, n).
      b: (n,).

    Returns:
      (n,); not finite where A has no inverse.
    """
    n = len(b)

    def eliminate(carry: tuple[Array, Array], k: Array) -> tuple[tuple[Array, Array], Array]:
        rows, free = carry
        pivot = jnp.argmax(jnp.where(free, jnp.abs(rows[:, k]), -1))
        row = rows[pivot] / rows[pivot, k]
        is_pivot = jnp.arange(n) == pivot
        rows = jnp.where(is_pivot[:, None], row, rows - jnp.outer(rows[:, k], row))
        return (rows, free & ~is_pivot), pivot

    start = (jnp.concatenate([A, b[:, None]], axis=1), jnp.ones(n, bool))
    (rows, _), pivots = jax.lax.scan(eliminate, start, jnp.arange(n))
    return rows[pivots, -1]


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
