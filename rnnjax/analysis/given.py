"""Arrays as they are given: of the right shape, as floats of at least 32 bits."""

from typing import Any

import jax.numpy as jnp

from rnnjax.types import Array


def vector(name: str, values: Any) -> Array:
    """Return real numbers as floats in which an index has all its digits, (n,).

    Raises:
      ValueError: they are no vector of real numbers, or an empty one.
    """
    array = jnp.asarray(values)
    if array.ndim != 1 or not len(array):
        shape = tuple(array.shape)
        raise ValueError(f"{name}: expected shape (n,) with n >= 1, got {shape}; vmap over others")
    if not jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.kind not in "iub":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def check_shape(name: str, values: Array, expected: tuple[int, ...]) -> None:
    """Refuse an array of another shape, which JAX would broadcast, or index beyond its end.

    Raises:
      ValueError: the shape is another one.
    """
    if jnp.shape(values) != tuple(expected):
        raise ValueError(f"{name}: expected shape {tuple(expected)}, got {jnp.shape(values)}")
