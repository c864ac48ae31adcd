"""The spike: a step function with a slope for the gradient that it has not.

  s = H(e),   H(e) = 1 for e > 0, else 0                                         (1)
  ds/de := psi(e) = (k / theta) max(0, 1 - |e| / theta)                          (2)

e is by how much a membrane potential is above its threshold, theta the threshold at rest and k the
damping: the integral of psi is k, where that of the slope of a step is 1. Bellec et al., A solution
to the learning dilemma for recurrent networks of spiking neurons, Nature Communications, 2020.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array


@jax.custom_jvp
def spike(excess: Array, threshold: Array | float, damping: Array | float) -> Array:
    """Return H(e), equation (1), whose derivative is equation (2).

    Args:
      excess: e, of any shape.
      threshold: theta, the width of the slope; it has no derivative here, but by way of e.
      damping: k.
    """
    return jnp.where(excess > 0, jnp.ones_like(excess), jnp.zeros_like(excess))


def slope(excess: Array, threshold: Array | float, damping: Array | float) -> Array:
    """Return psi(e), equation (2); arguments as of `spike`."""
    return damping / threshold * jnp.maximum(0, 1 - jnp.abs(excess) / threshold)


@spike.defjvp
def _(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return spike(*primals), slope(*primals) * tangents[0]
