"""Whether forecasts move in the right direction."""

import jax.numpy as jnp

from rnnjax.types import Array

_LEAST = 0.01  # of the true way


def share_in_direction(moved: Array, way: Array) -> Array:
    """Return the share of forecasts that move at least a hundredth of the true way along it.

    Not merely above 0, because a forecast that does not move has a rounding error of either sign.

    Args:
      moved: how far each forecast is from the last place, (..., B, d).
      way: how far the true one is, (B, d).

    Returns:
      (...).
    """
    along, square = jnp.sum(moved * way, axis=-1), jnp.sum(way**2, axis=-1)
    return jnp.mean(along > _LEAST * square, axis=-1)
