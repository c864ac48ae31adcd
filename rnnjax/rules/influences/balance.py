"""Random signs, and the balance between the two factors of an estimate that they make."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.types import Array


def signs_of(given: Array | None, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return random signs, or the given ones.

    Raises:
      ValueError: those that are given are of another shape.
    """
    if given is None:
        return jax.random.rademacher(key, shape, dtype)
    if jnp.shape(given) != shape:
        raise ValueError(f"signs: expected shape {shape}, got {jnp.shape(given)}")
    return jnp.asarray(given, dtype)


def log_balance(a: Any, b: Any) -> Array:
    """Return log sqrt(|a| / |b|) for trees of `Scaled`, 0 where one of them is 0.

    Nothing needs balancing there, and any factor leaves the estimate unbiased.
    """
    difference = 0.5 * (_log_length(a) - _log_length(b))
    return jnp.where(jnp.isfinite(difference), difference, 0)


def _log_length(tree: Any) -> Array | float:
    """Return the log-norm of a tree; a single array is not brought to order 1 a second time."""
    leaves = jax.tree.leaves(tree, is_leaf=scaled.is_scaled)
    if len(leaves) > 1:
        return scaled.log_norm(tree)
    if not leaves:
        return -jnp.inf
    (only,) = leaves
    return scaled.log_norm_of_normal(only)


def times_exp(tree: Any, log_factor: Array) -> Any:
    """Return a tree of `Scaled` times e^log_factor."""
    return jax.tree.map(
        lambda leaf: scaled.times_exp(leaf, log_factor), tree, is_leaf=scaled.is_scaled
    )
