"""Whether forecasts move in the right direction."""

import jax.numpy as jnp

from rnnjax import scaled
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
      (...); NaN where a forecast is not finite, or a way.

    Raises:
      ValueError: both are not of the same forecasts.
    """
    check_shape("way", way, jnp.shape(moved)[-2:])
    moved, way = jnp.asarray(moved) * 1.0, jnp.asarray(way) * 1.0
    known = jnp.isfinite(moved).all(-1)
    known &= jnp.broadcast_to(jnp.isfinite(way).all(-1), known.shape)
    # In units of the way, by a power of two, so that no square leaves the dtype.
    unit = -scaled.exponent_of(way, 1)
    way = scaled.shift(way, unit)
    moved = scaled.shift(moved, jnp.broadcast_to(unit, moved.shape[:-1]))
    along, square = jnp.einsum("...bd,bd->...b", moved, way), jnp.sum(way**2, axis=-1)
    right = along > _LEAST * jnp.broadcast_to(square, along.shape)
    return jnp.mean(jnp.where(known, right, jnp.nan), axis=-1)
