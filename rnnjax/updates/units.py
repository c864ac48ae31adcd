"""Which weights belong together as those of one unit: they enter one sum.

  z_i = sum_j W_ij s_j + b_i                                                     (1)

The weights of the sum z_i are row i of W, and b_i, so

  of an array with at least two axes the last one is summed over: a row is a unit's,
  the entries of a vector and a scalar are of one unit each.

Gates that are stacked as rows, (m n, n), are m n sums. A class of parameters that lays them out in
another way says where its units are, by `unit_axis()`: for a field the axis of the unit in the
arrays below it, or None where all entries are one unit's. The kernels of flax have it last,
(.., inputs, units); the weights of complex units have their two parts in front.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.types import Array, Params


def axes_of_one(params: Params) -> Any:
    """Return the axes along which the weights of one unit stand, a tuple in the place of each leaf.

    An index of all the other axes is a unit.
    """
    return jax.tree.map(
        lambda node: _said(node) if _says(node) else _rows(node), params, is_leaf=_says
    )


def by_unit(leaf: Array, axes: tuple[int, ...]) -> Array:
    """Return a leaf as (units, weights of one)."""
    moved = jnp.moveaxis(leaf, axes, _last(axes))
    return moved.reshape(math.prod(moved.shape[: moved.ndim - len(axes)]), -1)


def as_leaf(rows: Array, like: Array, axes: tuple[int, ...]) -> Array:
    """Return what `by_unit` has laid out in the shape of its leaf."""
    shape = jnp.moveaxis(like, axes, _last(axes)).shape
    return jnp.moveaxis(rows.reshape(shape), _last(axes), axes)


def _says(node: Any) -> bool:
    return hasattr(node, "unit_axis")


def _said(params: Any) -> Any:
    """Return the axes for a named tuple that says where its units are."""
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
