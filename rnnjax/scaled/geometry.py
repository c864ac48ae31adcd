"""Lengths and angles of scale-free vectors, and trees of them."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.scaled.number import (
    LOG_2,
    Scaled,
    in_unit,
    inner_axes,
    is_scaled,
    plain,
    renormalise,
)
from rnnjax.scaled.traced_once import traced_once

Array = jax.Array


def _aligned(tree: Any) -> tuple[list[Array], Array]:
    """Return a tree's leaves as plain arrays at one exponent, largest near 1, and the exponent."""
    leaves = [renormalise(leaf) for leaf in jax.tree.leaves(tree, is_leaf=is_scaled)]
    top = jnp.max(jnp.stack([leaf.exponent for leaf in leaves]), axis=0)
    return [in_unit(leaf, top) for leaf in leaves], top


def _dot(a: list[Array], b: list[Array], n_leading: int) -> Array:
    products = [
        jnp.sum((x * y.conj()).real, axis=inner_axes(x, n_leading))
        for x, y in zip(a, b, strict=True)
    ]
    return functools.reduce(operator.add, products)


@traced_once
def log_norm(tree: Any) -> Array:
    """Return the natural log of the Euclidean norm of a `Scaled` or of a tree of them.

    Args:
      tree: leaves with equal leading axes.

    Returns:
      (*leading,), -inf for zero.
    """
    values, top = _aligned(tree)
    return _log_length(_dot(values, values, top.ndim), top)


@traced_once
def log_norm_of_normal(number: Scaled) -> Array:
    """Return `log_norm` of a `Scaled` whose largest entry is in [1, 2), or that is zero.

    It takes one pass over the entries instead of three.
    """
    value, exponent = [number.value], number.exponent
    return _log_length(_dot(value, value, exponent.ndim), exponent)


def _log_length(squares: Array, top: Array) -> Array:
    # Inside the logarithm no zero either: its derivative would be NaN even where it is not chosen.
    nothing = squares == 0
    length = 0.5 * jnp.log(jnp.where(nothing, 1, squares)) + top * LOG_2
    return jnp.where(nothing, -jnp.inf, length)


@traced_once
def cosine(a: Any, b: Any) -> Array:
    """Return the cosine of the angle between two trees of `Scaled`.

    Returns:
      (*leading,), NaN where either is zero: the angle to a zero vector is undefined, not 0.
    """
    (left, top), (right, _) = _aligned(a), _aligned(b)
    squares = _dot(left, left, top.ndim) * _dot(right, right, top.ndim)
    return _dot(left, right, top.ndim) / jnp.sqrt(squares)


def direction(tree: Any) -> Any:
    """Return a tree of `Scaled` over its norm as plain arrays, NaN where it is zero.

    Not by way of `log_norm`, whose rounding grows with its size: at e^400 of float32 it is 3e-5.

    Args:
      tree: leaves without leading axes.
    """
    values, _ = _aligned(tree)
    length = jnp.sqrt(_dot(values, values, 0))
    structure = jax.tree.structure(tree, is_leaf=is_scaled)
    return jax.tree.unflatten(structure, [v / length for v in values])


def clip_norm(tree: Any, max_norm: Array | float) -> Any:
    """Return a tree of `Scaled` as plain arrays, scaled down to norm `max_norm` if above it.

    The direction is correct at any magnitude: at a norm of e^400 plain float32 would divide inf by
    inf. Below `max_norm` nothing changes. Pascanu, Mikolov and Bengio (ICML 2013), algorithm 1.

    Args:
      tree: leaves without leading axes.
      max_norm: the threshold, > 0.
    """
    values, top = _aligned(tree)
    squares = _dot(values, values, 0)
    # No zero within the root or the logarithm: their derivatives there would be NaN or inf.
    lengths = jnp.where(squares == 0, 1, squares)
    log_norm = 0.5 * jnp.log(lengths) + top * LOG_2
    too_long = (squares != 0) & (log_norm > jnp.log(max_norm))
    factor = max_norm / jnp.sqrt(lengths)
    leaves, structure = jax.tree.flatten(plain(tree))
    clipped = [
        jnp.where(too_long, v * factor, p).astype(p.dtype)
        for v, p in zip(values, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, clipped)
