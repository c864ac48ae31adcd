"""What a network is shown of two points, and networks that are trained to answer after both.

All networks have two steps; where everything comes in the second, the network is a dense one. A
view takes points (B, 2, n), the first one first, to what the network is shown, (B, 2, n_x).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from rnnjax.types import Array, Batch, Cell, Params, Task
from rnnjax.updates import minimise


def at_once(x: Array) -> Array:
    """Return both points in the last step, in their order; n_x = 2 n."""
    flat = x.reshape(len(x), 1, -1)
    return jnp.concatenate([jnp.zeros_like(flat), flat], axis=1)


def order_blind(x: Array) -> Array:
    """Return the lesser and the greater in the last step, whichever was first; n_x = 2 n."""
    return at_once(jnp.sort(x, axis=1))


def one_by_one(x: Array) -> Array:
    """Return a point a step, through the same input weights; n_x = 2 n, the rest is 0."""
    return jnp.concatenate([x, jnp.zeros_like(x)], axis=2)


def own_weights(x: Array) -> Array:
    """Return a point a step, each through an input weight of its own; n = 1 and n_x = 2."""
    return x * jnp.eye(2)


def answers(cell: Cell, params: Params, x: Array) -> Array:
    """Return what networks answer after the last step.

    Args:
      cell: the cell.
      params: of N networks, leaves (N, ...).
      x: what each is shown, (N, B, 2, n_x).

    Returns:
      (N, B, n_y).
    """
    return jax.vmap(lambda p, x: jax.vmap(lambda x: _answer(cell, p, x))(x))(params, x)


def _answer(cell: Cell, params: Params, x: Array) -> Array:
    """Return the output after the last step, (n_y,); two steps compile faster without a scan."""
    h = cell.initial_state()
    for x_t in x:
        h = cell.step(params, h, x_t)
    return cell.readout(params, h)


def trained(
    cell: Cell,
    task: Task,
    params: Params,
    batches: Sequence[Batch],
    optimiser: optax.GradientTransformation,
    n_updates: int,
) -> tuple[Params, Array]:
    """Train one network on each of some batches, all from the same start.

    Args:
      cell: the cell.
      task: gives the loss of the answer, which the mask of the last step weighs.
      params: the start.
      batches: N batches of the same shapes, leaves (B, 2, ...); an update has all of a batch.
      optimiser: any optax optimiser that needs the gradient alone.
      n_updates: updates.

    Returns:
      the parameters, leaves (N, ...), and the loss before each update, (N, n_updates).
    """

    def mean_loss(params: Params, batch: Batch) -> Array:
        def of_one(one: Batch) -> Array:
            return one.mask[-1] * task.loss(_answer(cell, params, one.x), one.y[-1])

        return jnp.mean(jax.vmap(of_one)(batch))

    def fit(batch: Batch) -> tuple[Params, Array]:
        return minimise(lambda p: mean_loss(p, batch), params, optimiser, n_updates=n_updates)

    return jax.vmap(fit)(jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches))
