"""Sums, products and quotients of scale-free numbers."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.scaled.number import (
    LOG_2,
    LOWEST,
    Scaled,
    change_of_unit,
    in_unit,
    is_scaled,
    is_zero,
    normalise,
    power_of_two,
    renormalise,
    size_of,
)
from rnnjax.scaled.traced_once import traced_once

Array = jax.Array


@traced_once
def add(a: Scaled, b: Scaled) -> Scaled:
    """Return a + b for a and b of equal shape."""
    return renormalise(add_normal(a, b))


@traced_once
def subtract(a: Scaled, b: Scaled) -> Scaled:
    """Return a - b for a and b of equal shape."""
    return add(a, Scaled(-b.value, b.exponent))


@traced_once
def add_normal(a: Scaled, b: Scaled) -> Scaled:
    """Return a + b for equal shapes, both with largest entries in [1, 2) or zero.

    Unlike in `add`, the sum is not normalised: its largest entry is below 4, and far below 1 where
    the two cancel.
    """
    top = jnp.maximum(a.exponent, b.exponent)
    return Scaled(in_unit(a, top) + in_unit(b, top), top)


@traced_once
def add_raw(raw: Scaled, b: Scaled) -> Scaled:
    """Return raw + b, where the largest entry of `raw` may be of any size.

    This replaces `add` for arrays so large that every pass over them is costly: `raw` is scanned
    once for its largest entry and not rewritten. The largest entry of the sum is below 4, and may
    be far below 1 where the two cancel; `normalise` corrects that.
    """
    size = size_of(raw)
    top = jnp.maximum(size, b.exponent)
    factor = jnp.where(is_zero(size), 0, power_of_two(raw.exponent - top, raw.value.dtype))
    own = change_of_unit(raw.value, factor, raw.exponent, top)
    return Scaled(own + in_unit(b, top), top)


def add_trees(a: Any, b: Any) -> Any:
    """Return the leafwise sum of two trees of `Scaled`."""
    return jax.tree.map(add, a, b, is_leaf=is_scaled)


def divide(tree: Any, divisor: int | float) -> Any:
    """Return a tree of `Scaled` divided by a number of moderate magnitude."""
    return jax.tree.map(lambda s: normalise(s.value / divisor, s.exponent), tree, is_leaf=is_scaled)


@traced_once
def from_log(log: Array) -> Scaled:
    """Return e^log as a `Scaled` (), 0 for -inf."""
    exponent = jnp.where(jnp.isfinite(log), jnp.floor(log / LOG_2), 0)
    return normalise(jnp.exp(log - exponent * LOG_2), exponent.astype(jnp.int32))


@traced_once
def times_exp(number: Scaled, log_factor: Array) -> Scaled:
    """Return a `Scaled`, stacked or not, times e^log_factor, log_factor ().

    The largest entry stays of order 1, below 4 for one that was below 2.
    """
    factor = from_log(log_factor)
    exponent = jnp.maximum(number.exponent + factor.exponent, LOWEST)
    return Scaled(number.value * factor.value, exponent)


def sum_over_leading(tree: Any) -> Any:
    """Return a tree of stacked `Scaled` leaves summed over the first leading axis."""

    def one_sum(number: Scaled) -> Scaled:
        top = jnp.max(number.exponent, axis=0, keepdims=True)
        return normalise(jnp.sum(in_unit(number, top), axis=0), top[0])

    return jax.tree.map(one_sum, tree, is_leaf=is_scaled)
