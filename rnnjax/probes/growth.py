"""The growth of directions along a sequence, and what a step makes of them.

See `rnnjax.probes.lyapunov`, which says when they are decomposed and in which way.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import lanes, matrices, scaled, tangents
from rnnjax.scaled import Scaled
from rnnjax.types import Array

_N_BLOCKS = 10


class Growth(NamedTuple):
    """The growth of directions along a sequence.

    Attributes:
      logs: log |R_t,ii| at every decomposition, over all steps since the previous one, (T, k).
      due: the steps with a decomposition, bool (T,).
      counted: the steps that count, bool (T,).
      Q: the directions after the last step, (n_h, k).
      clear: at how many more decompositions |R_t,ii| was above the rounding of its rows than not,
        (k,).
      rank: a bound on how many directions are left after the steps that count, int32 ().
      first_non_finite_step: the first step whose state is not finite, int32 (); -1 if none is.
    """

    logs: Array
    due: Array
    counted: Array
    Q: Array
    clear: Array
    rank: Array
    first_non_finite_step: Array

    @property
    def is_lost(self) -> Array:
        """Whether a direction is lost, bool (k,).

        It was nothing but rounding at half of its decompositions (at one of many, rounding may be
        large), or there was a step of which fewer directions are left: what the decomposition of
        that step put in its place is rounding.
        """
        return (self.clear <= 0) | (jnp.arange(len(self.clear)) >= self.rank)

    def mean(self) -> Array:
        """Return the growth per step, (k,); -inf where a direction is lost, NaN of no step."""
        logs = jnp.where(self.counted[:, None], self.logs, 0)
        mean = jnp.sum(logs, axis=0) / jnp.sum(self.counted)
        mean = infinite_where(self.is_lost, mean)
        is_known = (self.first_non_finite_step < 0) & jnp.any(self.counted)
        return jnp.where(is_known, mean, jnp.nan)

    def standard_error(self) -> Array:
        """Return the standard error of the mean, (k,), from the means over blocks of time."""
        number, n_blocks, size = _blocks(self.counted)
        member = number[None] == jnp.arange(_N_BLOCKS)[:, None]
        rates = jnp.where(self.counted[:, None], self._by_step(), 0)
        means = member.astype(rates.dtype) @ rates / size
        used = (jnp.arange(_N_BLOCKS) < n_blocks)[:, None]
        centre = jnp.sum(jnp.where(used, means, 0), axis=0) / n_blocks
        squares = jnp.sum(jnp.where(used, means - centre[None], 0) ** 2, axis=0)
        error = jnp.sqrt(squares / (n_blocks - 1) / n_blocks)  # NaN for a single block
        return jnp.where(self.is_lost, jnp.nan, error)

    def _by_step(self) -> Array:
        """Return the growth between decompositions, spread evenly over their steps, (T, k)."""
        steps = jnp.arange(len(self.due))
        following = jax.lax.cummin(jnp.where(self.due, steps, len(steps) - 1), reverse=True)
        before = jnp.concatenate([-jnp.ones(1, int), jnp.where(self.due, steps, -1)[:-1]])
        age = following - jax.lax.cummax(before)
        return self.logs[following] / age[:, None]


@jax.custom_jvp
def infinite_where(is_lost: Array, logs: Array) -> Array:
    """Return -inf where a direction is lost, else its logs; shapes alike.

    The derivative of a lost one is not finite either. That of a constant would be 0, and descent
    would follow whatever else a sum holds; that of the logs would be rounding over rounding.
    """
    return jnp.where(is_lost, -jnp.inf, logs)


@infinite_where.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Array]) -> tuple[Array, Array]:
    is_lost, moved = primals[0], tangents[1]
    # Finite factors, since 0 times inf would be NaN where nobody asks for this direction.
    most = jnp.where(is_lost, jnp.finfo(moved.dtype).max, 1)
    return infinite_where(*primals), moved * most * most


def _blocks(counted: Array) -> tuple[Array, Array, Array]:
    """Return the block of every step, (T,), how many there are, and their size in steps."""
    n = jnp.sum(counted)
    n_blocks = jnp.minimum(_N_BLOCKS, n)
    size = n // jnp.maximum(n_blocks, 1)
    # Blocks are counted from the end, so that the steps left over are at the start.
    place = jnp.cumsum(counted[::-1])[::-1] - 1
    return jnp.where(counted, place // jnp.maximum(size, 1), _N_BLOCKS), n_blocks, size


def ends_of_blocks(counted: Array) -> Array:
    """Return the steps before the next block, so that the growth of each block is its own."""
    number = _blocks(counted)[0]
    return jnp.append(number[1:] != number[:-1], True)


def decomposed_by_qr(rows: Scaled) -> tuple[Scaled, Array]:
    """Return orthonormal directions and log |R_jj| (k,) of stacked rows, value (n_h, k)."""
    Q, logs = matrices.graded_qr(rows)
    return Scaled(Q, jnp.int32(0)), logs


def decomposed_by_lu(rows: Scaled) -> tuple[Scaled, Array]:
    """Return directions that span the same and log |U_jj|; by QR where that is not exact."""
    L, logs, is_exact = matrices.graded_lu(rows)
    found = Scaled(L, jnp.int32(0)), logs
    return jax.lax.cond(lanes.in_all(is_exact), lambda rows: found, decomposed_by_qr, rows)


def left(rows: Scaled) -> tuple[Scaled, Array]:
    """Return the directions as they are, in one unit, and no growth."""
    own = scaled.normalise(rows.value, rows.exponent)
    logs = jnp.zeros(rows.value.shape[1], rows.value.real.dtype)
    return scaled.normalise(*scaled.common(own)), logs


def above_rounding(rows: Scaled, logs: Array, age: Array) -> Array:
    """Return how far ln |R_jj| lies above the rounding of the j-th largest row, nats, (k,).

    When column j is reached at most j - 1 of the j largest rows have been used up.
    """
    n, k = rows.value.shape
    value, logs = jax.lax.stop_gradient((rows.value, logs))
    size = jnp.log(jnp.max(jnp.abs(value), axis=1)) + rows.exponent * scaled.LOG_2
    largest = jnp.max(size)[None] if k == 1 else jnp.sort(size, descending=True)[:k]
    level = largest + jnp.log((n + age) * jnp.finfo(logs.dtype).eps)
    return jnp.where(logs == -jnp.inf, -jnp.inf, logs - level)


def rank_at_most(tangent: tangents.Tangent, rows: Scaled) -> Array:
    """Return how many rows of J A, value (n_h, k), and columns of J are not 0, the fewer, int32 ().

    A unit that is silent makes its row 0 where the state is what it sends on, its column where the
    state is its pre-activation.
    """
    left = n_rows(rows.value)
    # A lone direction is lost with all of J, which rows tell.
    n_columns = None if rows.value.shape[1] == 1 else tangents.n_read(tangent)
    return left if n_columns is None else jnp.minimum(left, n_columns)


def n_rows(value: Array) -> Array:
    """Return how many rows of a matrix are not 0, int32 ()."""
    return jnp.sum(jnp.any(value != 0, axis=1), dtype=jnp.int32)


def not_looked_at(rows: Scaled, logs: Array, age: Array) -> Array:
    """Return the same of a step without a decomposition: 0, (k,)."""
    return jnp.zeros_like(logs)
