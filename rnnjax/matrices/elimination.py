"""Linear equations, in matrix operations alone."""

import jax
import jax.numpy as jnp

from rnnjax.types import Array


def solve(A: Array, b: Array) -> Array:
    """Return x with A x = b, by Gauss-Jordan elimination with partial pivoting.

    In place of `jnp.linalg.solve` in loops: many small systems are solved side by side, without a
    call to LAPACK for each.

    Args:
      A: (n, n).
      b: (n,).

    Returns:
      (n,); not finite where A has no inverse.
    """
    A, b = (jnp.asarray(a, jnp.result_type(A, b, float)) for a in (A, b))
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
