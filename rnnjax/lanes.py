"""Decisions that networks take together when they run side by side under `vmap`.

A condition that differs between lanes turns `jax.lax.cond` into a selection, for which all lanes
compute both branches at every step.
"""

import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from rnnjax.types import Array


@custom_vmap
def in_any(condition: Array) -> Array:
    """Return whether a condition, bool (), holds in any of the lanes."""
    return condition


@in_any.def_vmap
def _(axis_size: int, in_batched: list[bool], condition: Array) -> tuple[Array, bool]:
    return in_any(jnp.any(condition)), False


def in_all(condition: Array) -> Array:
    """Return whether a condition, bool (), holds in all of the lanes."""
    return ~in_any(~condition)
