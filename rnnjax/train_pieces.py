"""Training piece by piece: until enough was learned, or at levels that rise when one is solved.

A level may be the delay of the copy task, `train_by_delay`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.tasks.copy import Copy
from rnnjax.types import Array


@arguments(n_pieces=COUNT)
def train_in_pieces(
    piece: Callable[[Any, Array], tuple[Any, Any, Array]], start: Any, *, n_pieces: int
) -> tuple[Any, Array, Any]:
    """Run pieces of a training until one of them says that it was the last, or all are done.

    Mapped by `jax.vmap`, trainings that have stopped wait for the others and do not change.

    Args:
      piece: (state, number of the piece) -> (state after it, what was seen, whether to stop); the
        shapes of state and of what was seen are the same in all pieces.
      start: the state before the first piece, such as parameters and state of an optimiser.
      n_pieces: the most pieces.

    Returns:
      the state after the last piece, the number of pieces that ran, int32 (), and what was seen,
      leaves (n_pieces, ...); where training had stopped, that of its last piece.

    Example:
      >>> def halve(x, n):
      ...     return x / 2, x / 2, x / 2 < 0.2
      >>> state, n, seen = train_in_pieces(halve, jnp.float32(1), n_pieces=5)
      >>> int(n), seen.tolist()
      (3, [0.5, 0.25, 0.125, 0.125, 0.125])
    """
    shapes = jax.eval_shape(piece, start, jnp.int32(0))[1]
    nothing = jax.tree.map(lambda a: jnp.zeros((n_pieces, *a.shape), a.dtype), shapes)

    def run(carry: tuple) -> tuple:
        state, n, seen, _ = carry
        state, now, stops = piece(state, n)
        seen = jax.tree.map(lambda a, value: a.at[n].set(value), seen, now)
        return state, n + 1, seen, jnp.asarray(stops)

    def goes_on(carry: tuple) -> Array:
        _, n, _, stopped = carry
        return (n < n_pieces) & ~stopped

    begin = (start, jnp.int32(0), nothing, jnp.zeros((), bool))
    state, n, seen, _ = jax.lax.while_loop(goes_on, run, begin)
    held = jnp.minimum(jnp.arange(n_pieces), n - 1)
    return state, n, jax.tree.map(lambda a: a[held], seen)


@arguments(last=COUNT, solved=Number())
def train_in_levels(
    piece: Callable[[Any, Array, Array], tuple[Any, Array]],
    start: Any,
    keys: Array,
    *,
    solved: Array | float,
    last: int,
) -> tuple[Any, Array, Array, Array]:
    """Train at a level, such as a delay, that rises by one after each piece that was solved.

    Args:
      piece: (state, level, key) -> (state after the piece, its loss).
      start: the state before the first piece, such as parameters.
      keys: a key for each piece.
      solved: the loss below which a piece was solved.
      last: the highest level; the first is 1.

    Returns:
      the state after the last piece; loss and level of each piece, (n_pieces,); and the highest
      level solved, 0 for none, int32 ().
    """

    def step(carry: tuple, key: Array) -> tuple[tuple, tuple[Array, Array]]:
        state, level, best = carry
        state, loss = piece(state, level, key)
        done = loss < solved
        later = jnp.minimum(level + done, last)
        return (state, later, jnp.where(done, level, best)), (loss, level)

    begin = (start, jnp.int32(1), jnp.int32(0))
    (state, _, best), (losses, levels) = jax.lax.scan(step, begin, keys)
    return state, losses, levels, best


@arguments(n_sequences=COUNT, solved=Number())
def train_by_delay(
    train: Callable[[Copy, Array, int, Any], Any],
    task: Copy,
    params: Any,
    keys: Array,
    *,
    n_sequences: int,
    solved: Array | float,
) -> tuple[Array, Array, Array]:
    """Train on copy, whose delay grows by a step after each piece that was solved.

    Args:
      train: (task, key, n_sequences, params) -> a training with `params` and the `loss` of each
        step of each sequence, such as that of `fit_online`.
      task: copy with room for a longer delay than 1, where only the answer counts.
      params: the first weights.
      keys: a key for each piece.
      n_sequences: of a piece.
      solved: the loss of a recalled symbol below which a piece was solved.

    Returns:
      the loss of a recalled symbol and the delay of each piece, (n_pieces,), and the longest delay
      solved, 0 for none, ().
    """

    def piece(params: Any, delay: Array, key: Array) -> tuple[Any, Array]:
        longer = task.replace(delay=delay)  # type: ignore[attr-defined]
        trained = train(longer, key, n_sequences, params)
        return trained.params, jnp.sum(trained.loss) / (n_sequences * task.n_items)

    last = task.length - 2 * task.n_items  # the longest delay
    _, losses, delays, best = train_in_levels(piece, params, keys, solved=solved, last=last)
    return losses.astype(float), delays.astype(float), best.astype(float)
