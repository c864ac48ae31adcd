"""Scale-free numbers: a vector, matrix or tree as value x 2^exponent.

A gradient propagated back through a recurrent network may have a norm of 1e-200 or of 1e200.
`Scaled` keeps the largest entry of a value near 1 and stores an integer exponent with it, so that
norms, sums and angles are accurate to the relative precision of float32 at any magnitude. All
scaling is by powers of two and therefore exact (dividing by the largest entry would not be: the
reciprocal of 1e38 is subnormal).

A `Scaled` may be stacked: the leading axes of `value` are those of `exponent`, so a sequence of T
vectors has value (T, n) and exponent (T,). The remaining axes of `value` form one scaled number for
each index of the leading axes.

Derivatives. An exponent is an integer and has none; the derivative of a number m 2^e is dm 2^e. An
exact zero has no magnitude, but its derivative has one: a zero computed from numbers of magnitude
2^k is stored with the exponent ZERO_EXPONENT + k. Comparisons and sums then treat it as far smaller
than any other number, and a product adds k to the exponent of the other factor as it does for any
number. `unit_of` recovers k, and the derivative of every change of unit is computed from it, so
that a function of scaled numbers has the derivatives of the plain function at zero too, of every
order, in forward and reverse mode. A derivative that leaves the range of the dtype is inf, as in
the plain function.

Half precision. A mantissa has at least 32 bits: bfloat16 and float16 values become float32.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.scaled import extremes
from rnnjax.scaled.traced_once import traced_once

Array = jax.Array
LOG_2 = math.log(2)
# Exponents of numbers live in (-2^28, 2^28): what falls below is zero, what rises above stays at
# the top. Zeros of size 2^k have the exponents ZERO_EXPONENT + k below them, products of two zeros
# those around 2 ZERO_EXPONENT, and no sum of a few exponents leaves int32.
_RANGE_BITS = 29
ZERO_EXPONENT = -(2**_RANGE_BITS)
_TOP_EXPONENT = 2 ** (_RANGE_BITS - 1) - 1
_BOTTOM_EXPONENT = -(2 ** (_RANGE_BITS - 1))
LOWEST = 2 * ZERO_EXPONENT


@struct.dataclass
class Scaled:
    """value x 2^exponent.

    Attributes:
      value: real or complex array, (*leading, *inner).
      exponent: int32, (*leading,): one for each stacked number; see the module's docstring for
        that of zero.
    """

    value: Array
    exponent: Array


def is_scaled(node: Any) -> bool:
    """Return whether a node of a tree is a `Scaled`."""
    return isinstance(node, Scaled)


def is_scaled_tree(tree: Any) -> bool:
    """Return whether every leaf of a tree is a `Scaled`."""
    return all(is_scaled(leaf) for leaf in jax.tree.leaves(tree, is_leaf=is_scaled))


def _real(dtype: Any) -> jnp.finfo:
    return jnp.finfo(jnp.zeros((), dtype).real.dtype)


def power_of_two(exponent: Array, dtype: Any) -> Array:
    """Return 2^exponent exactly, by writing the bits: 0 below the normal range, clipped above."""
    info = _real(dtype)
    integer = extremes.INTEGER[info.dtype.itemsize]
    # The biased exponent of a normal number is at least 1; all bits 0 is the number 0.
    biased = jax.lax.clamp(
        jnp.int32(0), exponent + (info.maxexp - 1), jnp.int32(2 * info.maxexp - 2)
    )
    return jax.lax.bitcast_convert_type(biased.astype(integer) << info.nmant, info.dtype)


def is_zero(exponent: Array) -> Array:
    """Return whether an exponent is that of a zero, bool, shaped as the exponent."""
    return exponent <= _BOTTOM_EXPONENT


def unit_of(exponent: Array) -> Array:
    """Return the exponent k of the unit 2^k in which a mantissa's derivative is measured, int32.

    For a non-zero number k is its exponent; for a zero with exponent ZERO_EXPONENT + k it is k.
    """
    unused = 32 - _RANGE_BITS
    return (exponent << unused) >> unused  # the lower bits, with their sign


def _wide(value: Any) -> Array:
    """Return a value as a floating-point array with at least 32 bits for each real number."""
    value = jnp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        return value.astype(float)
    return value.astype(jnp.float32) if value.dtype.itemsize == 2 else value


def _times(value: Array, factor: Array) -> Array:
    """Return value (*leading, *inner) times factor (*leading,)."""
    return value * jax.lax.expand_dims(factor, range(factor.ndim, value.ndim))


@traced_once
def lower(value: Array, exponent: Array) -> Array:
    """Return value x 2^exponent for exponents <= 0; 0 where 2^exponent is below the normal range.

    Args:
      value: (*leading, *inner).
      exponent: int32, (*leading,).
    """
    factor = power_of_two(exponent, value.dtype)
    return change_of_unit(value, factor, exponent, jnp.zeros_like(exponent))


@jax.custom_jvp
def change_of_unit(value: Array, factor: Array, old: Array, new: Array) -> Array:
    """Return value x factor, where the factor is 2^(old - new), or 0 where that counts as 0.

    The derivative is computed from the units, not the factor, so that it is defined where the value
    or the factor is 0.
    """
    return _times(value, factor)


@change_of_unit.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    _, _, old, new = primals
    return change_of_unit(*primals), shift(tangents[0], unit_of(old) - unit_of(new))


@traced_once
def in_unit(number: Scaled, exponent: Array) -> Array:
    """Return the mantissa of a number in units of 2^exponent, exponent not below the number's own.

    Args:
      number: value (*leading, *inner).
      exponent: int32, (*leading,) or ().

    Returns:
      (*leading, *inner); 0 where the number is below the range of the dtype in this unit.
    """
    exponent = jnp.broadcast_to(jnp.asarray(exponent, jnp.int32), number.exponent.shape)
    factor = power_of_two(number.exponent - exponent, number.value.dtype)
    return change_of_unit(number.value, factor, number.exponent, exponent)


@traced_once
def shift(value: Array, exponent: Array) -> Array:
    """Return value x 2^exponent as a plain array.

    Args:
      value: (*leading, *inner).
      exponent: int32, (*leading,).

    Returns:
      (*leading, *inner); inf or 0 where the result leaves the range of the dtype.
    """
    return _shifted(value, exponent)


@jax.custom_jvp
def _shifted(value: Array, exponent: Array) -> Array:
    # Three factors, since 2^exponent alone may leave the range where the product does not: a value
    # of 2^126 times 2^-250 is an ordinary number. No division, which is slow in a loop.
    most = 4 * _real(value.dtype).maxexp
    exponent = jax.lax.clamp(jnp.int32(-most), exponent, jnp.int32(most))
    third = (11 * exponent) >> 5
    factor = power_of_two(third, value.dtype)
    rest = power_of_two(exponent - 2 * third, value.dtype)
    return _times(_times(_times(value, factor), factor), rest)


@_shifted.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    return _shifted(*primals), _shifted(tangents[0], unit_of(primals[1]))


def inner_axes(value: Array, n_leading: int) -> tuple[int, ...]:
    """Return the axes behind the leading ones."""
    return tuple(range(n_leading, value.ndim))


def exponent_of(value: Array, n_leading: int = 0) -> Array:
    """Return the exponent e with max |value| in [2^e, 2^(e+1)), ZERO_EXPONENT for zero.

    Args:
      value: (*leading, *inner).
      n_leading: the number of leading axes.

    Returns:
      int32, (*leading,); 0 where the value is not finite.
    """
    bits = extremes.bits_of_magnitude(jax.lax.stop_gradient(value))
    largest = extremes.largest(bits, inner_axes(value, n_leading))
    info = _real(value.dtype)
    biased = (largest >> info.nmant).astype(jnp.int32)
    exponent = jax.lax.select(
        biased == 2 * info.maxexp - 1, jnp.zeros_like(biased), biased - (info.maxexp - 1)
    )
    # Without a bit of its exponent a number is 0 or subnormal, which counts as 0.
    return jax.lax.select(biased == 0, jnp.full_like(exponent, ZERO_EXPONENT), exponent)


@traced_once
def normalise(value: Array, exponent: Array | int = 0) -> Scaled:
    """Return value x 2^exponent as a `Scaled` whose largest entry lies in [1, 2).

    Subnormal entries count as 0, as everywhere in XLA on a CPU.

    Args:
      value: (*leading, *inner).
      exponent: int32, (*leading,).
    """
    value, exponent = _wide(value), jnp.asarray(exponent, jnp.int32)
    own = exponent_of(value, exponent.ndim)
    # 2^-own must be a normal number: entries of 2^127 and more stay as large as 2.
    taken = jnp.minimum(own, _real(value.dtype).maxexp - 2)
    total = jnp.minimum(exponent + taken, _TOP_EXPONENT)
    nothing = jnp.where(own == ZERO_EXPONENT, ZERO_EXPONENT + unit_of(exponent), ZERO_EXPONENT)
    total = jnp.where((own == ZERO_EXPONENT) | is_zero(total), nothing, total)
    factor = jnp.where(is_zero(total), 0, power_of_two(-taken, value.dtype))
    return Scaled(change_of_unit(value, factor, exponent, total), total)


def renormalise(number: Scaled) -> Scaled:
    """Return the same number with its largest entry in [1, 2)."""
    return normalise(number.value, number.exponent)


def normalise_tree(tree: Any, exponent: Array | int = 0) -> Any:
    """Return a tree of arrays as the same tree with `Scaled` leaves, one exponent a leaf."""
    return jax.tree.map(lambda leaf: normalise(leaf, exponent), tree)


def plain(tree: Any) -> Any:
    """Return the plain arrays of a `Scaled` or a tree of them: inf or 0 where out of range."""
    return jax.tree.map(lambda s: shift(s.value, s.exponent), tree, is_leaf=is_scaled)


def common(number: Scaled) -> tuple[Array, Array]:
    """Return (value, exponent) of a stack brought to one exponent, its largest entry in [1, 2).

    Entries smaller than the largest by more than the dtype's range become 0; no sum would change.

    Args:
      number: stacked, value (*leading, *inner).

    Returns:
      value (*leading, *inner) and a scalar exponent.
    """
    top = jnp.max(size_of(number), initial=LOWEST)
    return in_unit(number, top), top


def size_of(number: Scaled) -> Array:
    """Return the exponent of the largest entry, whatever the number's own exponent, (*leading,)."""
    own = exponent_of(number.value, number.exponent.ndim)
    size = own + number.exponent
    nothing = jnp.where(own == ZERO_EXPONENT, unit_of(number.exponent), 0) + ZERO_EXPONENT
    return jnp.where((own == ZERO_EXPONENT) | is_zero(size), nothing, size)
