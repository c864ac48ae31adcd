"""Which weights belong to the same unit: those that enter the same sum.

  z_i = sum_j W_ij s_j + b_i                                                     (1)

The weights of the sum z_i are row i of W, and b_i, so

  an array with at least two axes is summed over its last axis: each row belongs to one unit,
  each entry of a vector, and a scalar, belongs to a unit of its own.

Gates that are stacked as rows, (m n, n), are m n sums. A class of parameters with another layout
declares its units by `unit_axis()`: for a field, the axis of the unit in the arrays below it, or
None if all entries belong to one unit. The kernels of flax have the unit axis last,
(.., inputs, units); the weights of complex units have a leading axis for their two parts.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array, Params


def axes_of_one(params: Params) -> Any:
    """Return the axes along which the weights of one unit lie, a tuple in place of each leaf.

    Each index over the remaining axes is one unit.
    """
    return jax.tree.map(
        lambda node: _said(node) if _says(node) else _rows(node), params, is_leaf=_says
    )


def by_unit(leaf: Array, axes: tuple[int, ...]) -> Array:
    """Return a leaf as (units, weights of one unit)."""
    moved = jnp.moveaxis(leaf, axes, _last(axes))
    return moved.reshape(math.prod(moved.shape[: moved.ndim - len(axes)]), -1)


def as_leaf(rows: Array, like: Array, axes: tuple[int, ...]) -> Array:
    """Return the result of `by_unit` in the shape of its leaf."""
    shape = jnp.moveaxis(like, axes, _last(axes)).shape
    return jnp.moveaxis(rows.reshape(shape), _last(axes), axes)


def _says(node: Any) -> bool:
    return hasattr(node, "unit_axis")


def _said(params: Any) -> Any:
    """Return the axes for a named tuple that defines `unit_axis`."""
    where = params.unit_axis()

    def below(name: str, field: Any) -> Any:
        axes = (lambda leaf: _beside(leaf, where[name])) if name in where else _rows
        return jax.tree.map(axes, field)

    return type(params)(**{name: below(name, field) for name, field in params._asdict().items()})


def _rows(leaf: Array) -> tuple[int, ...]:
    n = jnp.ndim(leaf)
    return (n - 1,) if n > 1 else ()


def _beside(leaf: Array, unit: int | None) -> tuple[int, ...]:
    n = jnp.ndim(leaf)
    if unit is None:
        return tuple(range(n))
    return tuple(axis for axis in range(n) if axis != unit % n) if n > 1 else ()


def _last(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(axes), 0))
