"""Whether forecasts move in the right direction."""

import jax.numpy as jnp

from rnnjax.analysis.given import check_shape
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

    Raises:
      ValueError: both are not of the same forecasts.
    """
    check_shape("way", way, jnp.shape(moved)[-2:])
    along, square = jnp.einsum("...bd,bd->...b", moved, way), jnp.sum(way**2, axis=-1)
    return jnp.mean(along > _LEAST * jnp.broadcast_to(square, along.shape), axis=-1)
