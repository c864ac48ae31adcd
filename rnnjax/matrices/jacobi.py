"""Singular values of a graded matrix, in logs.

D R with D a diagonal that may span hundreds of orders of magnitude and R well scaled: one-sided
Jacobi rotations of its rows find every singular value to high relative accuracy, where an ordinary
decomposition loses all below epsilon times the largest (Demmel and Veselic, Jacobi's method is more
accurate than QR, SIAM Journal on Matrix Analysis, 1992). The rotations Q leave rows that are
orthogonal, Q A = S V^H with Q = U^H, so that

  d ln s_i = Re (u_i^H dA v_i) / s_i,   u_i^H D / s_i = (Q D)_i / |(Q A)_i|                 (1)

for dA = D dR. (Q D)_i is found by the rotations themselves, in the unit of its row. Of equal
singular values (1) takes some basis of their space: what does not depend on their order, such as
the sum of their logs, has the right derivative.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_N_SWEEPS = 12  # convergence is quadratic in the end: 9 leave rounding at n = 64, in float64


def log_singular_values(rows: Scaled) -> Array:
    """Return the natural logs of the singular values of a square matrix, descending, (n,).

    Args:
      rows: the matrix as stacked rows, value (n, n), exponent (n,).

    Returns:
      (n,), -inf for a value that is exactly 0.
    """
    return _logs(rows.value, rows.exponent)


@jax.custom_jvp
def _logs(value: Array, exponent: Array) -> Array:
    n = len(exponent)
    rotated, _ = _rotated(Scaled(value, exponent), jnp.zeros((n, 0), value.dtype))
    return jnp.sort(scaled.log_norm(rotated), descending=True)[:n]


@_logs.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
    """Return the logs and equation (1), not finite where a singular value is 0."""
    (value, exponent), dR = primals, tangents[0]
    n = len(exponent)
    rotated, QD = _rotated(Scaled(value, exponent), jnp.eye(n, dtype=value.dtype))
    logs = scaled.log_norm(rotated)
    order = jnp.argsort(-logs)[:n]
    v, size = _direction(rotated)
    # Finite factors, since 0 times inf would be NaN where nobody asks for this singular value.
    most = jnp.where(size > 0, 1, jnp.finfo(size.dtype).max)[:, None]
    left = QD / jnp.where(size > 0, size, 1)[:, None] * most
    right = jnp.where(size[:, None] > 0, v.conj(), 1) * most
    moved = jnp.sum((left @ dR) * right, axis=1).real
    return logs[order], moved[order]


def _rotated(rows: Scaled, beside: Array) -> tuple[Scaled, Array]:
    """Return Q A and Q D B for stacked rows A = D R, and rows B that are turned along, (n, m)."""
    n = len(rows.exponent)
    padded = n + n % 2
    rows, beside = jax.tree.map(
        lambda a: jnp.pad(a, [(0, padded - n)] + [(0, 0)] * (a.ndim - 1)), (rows, beside)
    )
    both = _normal(rows.value, beside, rows.exponent)
    rounds = jnp.asarray(_round_robin(padded))

    def sweep(both: tuple[Scaled, Array], _: None) -> tuple[tuple[Scaled, Array], None]:
        return jax.lax.scan(_rotate, both, rounds)[0], None

    return jax.lax.scan(sweep, both, None, length=_N_SWEEPS)[0]


def _round_robin(n: int) -> np.ndarray:
    """Return n-1 rounds of n/2 disjoint pairs that meet every pair once, (n-1, 2, n/2)."""
    players = list(range(n))
    rounds = []
    for _ in range(n - 1):
        rounds.append([players[: n // 2], players[: n // 2 - 1 : -1]])
        players = [players[0], players[-1], *players[1:-1]]
    return np.array(rounds)


def _rotate(both: tuple[Scaled, Array], pairs: Array) -> tuple[tuple[Scaled, Array], None]:
    """Make n/2 disjoint pairs of rows orthogonal, and turn what stands beside them along.

    With a >= b the norms of the longer row x and the shorter y, delta = b/a and c their cosine, the
    Jacobi rotation in units of each row's own norm is

      x/a <- (x/a + delta^2 kappa y/b) / sqrt(1 + (delta kappa)^2)
      y/b <- (y/b -         kappa x/a) / sqrt(1 + (delta kappa)^2)
      kappa = 2c / ((1 - delta^2) + sqrt((1 - delta^2)^2 + (2 delta c)^2))

    so that delta may underflow and nothing is lost.
    """
    first, second = (jax.tree.map(lambda a, i=i: a[i], both) for i in pairs)
    swap = scaled.log_norm(second[0]) > scaled.log_norm(first[0])
    (x, x_beside), (y, y_beside) = _ordered(swap, first, second)
    x_hat, x_size = _direction(x)
    y_hat, y_size = _direction(y)
    inner = jnp.sum(x_hat.conj() * y_hat, axis=1)
    c = _root(jnp.square(inner.real) + jnp.square(inner.imag))
    # Turning y by a phase (a sign, if real) makes the inner product positive.
    phase = jnp.where(c > 0, inner.conj() / jnp.where(c > 0, c, 1), 1)[:, None]
    ratio = y_size / jnp.where(x_size > 0, x_size, 1)
    delta = scaled.lower(ratio, y.exponent - x.exponent)
    gap = 1 - delta**2
    bottom = gap + _root(gap**2 + (2 * delta * c) ** 2)
    kappa = jnp.where(c > 0, 2 * c / jnp.where(bottom > 0, bottom, 1), 0)
    shrink = 1 / jnp.sqrt(1 + (delta * kappa) ** 2)

    def turned(x: Array, y: Array) -> tuple[Array, Array]:
        y = y * phase
        new_x = (x + (delta**2 * kappa)[:, None] * y) * shrink[:, None]
        return new_x, (y - kappa[:, None] * x) * shrink[:, None]

    sizes = [size[:, None] for size in (x_size, y_size)]
    units = [jnp.where(size > 0, size, 1) for size in sizes]  # what is beside a row of 0 stays
    beside = turned(x_beside / units[0], y_beside / units[1])
    parts = zip(turned(x_hat, y_hat), beside, sizes, units, (x, y), strict=True)
    new = [_normal(row * size, along * unit, old.exponent) for row, along, size, unit, old in parts]
    for i, pair in zip(pairs, _ordered(swap, *new), strict=True):
        both = jax.tree.map(lambda a, r, i=i: a.at[i].set(r), both, pair)
    return both, None


def _normal(rows: Array, beside: Array, exponent: Array) -> tuple[Scaled, Array]:
    """Return rows of order 1, and what stands beside them in their unit; beside 0 as it is."""
    normal = scaled.normalise(rows, exponent)
    change = jnp.where(scaled.is_zero(normal.exponent), 0, exponent - normal.exponent)
    return normal, scaled.shift(beside, change)


def _ordered(swap: Array, a: Any, b: Any) -> tuple[Any, Any]:
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
