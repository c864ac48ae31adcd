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

import functools
import math
import operator
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

Array = jax.Array
LOG_2 = math.log(2)
# Exponents of numbers live in (-2^28, 2^28): what falls below is zero, what rises above stays at
# the top. Zeros of size 2^k have the exponents ZERO_EXPONENT + k below them, products of two zeros
# those around 2 ZERO_EXPONENT, and no sum of a few exponents leaves int32.
_RANGE_BITS = 29
ZERO_EXPONENT = -(2**_RANGE_BITS)
_TOP_EXPONENT = 2 ** (_RANGE_BITS - 1) - 1
_BOTTOM_EXPONENT = -(2 ** (_RANGE_BITS - 1))
_LOWEST = 2 * ZERO_EXPONENT
_INTEGER = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}


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


def _is_scaled(node: Any) -> bool:
    return isinstance(node, Scaled)


def is_scaled_tree(tree: Any) -> bool:
    """Return whether every leaf of a tree is a `Scaled`."""
    return all(_is_scaled(leaf) for leaf in jax.tree.leaves(tree, is_leaf=_is_scaled))


def _real(dtype: Any) -> jnp.finfo:
    return jnp.finfo(jnp.zeros((), dtype).real.dtype)


def power_of_two(exponent: Array, dtype: Any) -> Array:
    """Return 2^exponent exactly, by writing the bits: 0 below the normal range, clipped above."""
    info = _real(dtype)
    integer = _INTEGER[info.dtype.itemsize]
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


def lower(value: Array, exponent: Array) -> Array:
    """Return value x 2^exponent for exponents <= 0; 0 where 2^exponent is below the normal range.

    Args:
      value: (*leading, *inner).
      exponent: int32, (*leading,).
    """
    factor = power_of_two(exponent, value.dtype)
    return _change_of_unit(value, factor, exponent, jnp.zeros_like(exponent))


@jax.custom_jvp
def _change_of_unit(value: Array, factor: Array, old: Array, new: Array) -> Array:
    """Return value x factor, where the factor is 2^(old - new), or 0 where that counts as 0.

    The derivative is computed from the units, not the factor, so that it is defined where the value
    or the factor is 0.
    """
    return _times(value, factor)


@_change_of_unit.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    _, _, old, new = primals
    return _change_of_unit(*primals), shift(tangents[0], unit_of(old) - unit_of(new))


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
    return _change_of_unit(number.value, factor, number.exponent, exponent)


@jax.custom_jvp
def shift(value: Array, exponent: Array) -> Array:
    """Return value x 2^exponent as a plain array.

    Args:
      value: (*leading, *inner).
      exponent: int32, (*leading,).

    Returns:
      (*leading, *inner); inf or 0 where the result leaves the range of the dtype.
    """
    return _shifted(value, exponent)


@shift.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    return shift(*primals), shift(tangents[0], unit_of(primals[1]))


def _shifted(value: Array, exponent: Array) -> Array:
    # Three factors, since 2^exponent alone may leave the range where the product does not: a value
    # of 2^126 times 2^-250 is an ordinary number. No division, which is slow in a loop.
    most = 4 * _real(value.dtype).maxexp
    exponent = jax.lax.clamp(jnp.int32(-most), exponent, jnp.int32(most))
    third = (11 * exponent) >> 5
    factor = power_of_two(third, value.dtype)
    rest = power_of_two(exponent - 2 * third, value.dtype)
    return _times(_times(_times(value, factor), factor), rest)


def _bits_of_magnitude(value: Array) -> Array:
    """Return the bits of |value| as integers, in the same order; inf and NaN come last.

    XLA's maximum of integers processes several entries at a time, but its maximum of floats does
    not, because it must detect every NaN. A pass over a 64 x 64 matrix takes 1 us instead of 10.
    """
    if jnp.iscomplexobj(value):
        return jnp.maximum(_bits_of_magnitude(value.real), _bits_of_magnitude(value.imag))
    integer = _INTEGER[value.dtype.itemsize]
    return jax.lax.bitcast_convert_type(value, integer) & jnp.iinfo(integer).max


def _inner_axes(value: Array, n_leading: int) -> tuple[int, ...]:
    return tuple(range(n_leading, value.ndim))


def exponent_of(value: Array, n_leading: int = 0) -> Array:
    """Return the exponent e with max |value| in [2^e, 2^(e+1)), ZERO_EXPONENT for zero.

    Args:
      value: (*leading, *inner).
      n_leading: the number of leading axes.

    Returns:
      int32, (*leading,); 0 where the value is not finite.
    """
    bits = _bits_of_magnitude(jax.lax.stop_gradient(value))
    largest = jnp.max(bits, axis=_inner_axes(value, n_leading), initial=0)
    info = _real(value.dtype)
    biased = (largest >> info.nmant).astype(jnp.int32)
    exponent = jax.lax.select(
        biased == 2 * info.maxexp - 1, jnp.zeros_like(biased), biased - (info.maxexp - 1)
    )
    # Without a bit of its exponent a number is 0 or subnormal, which counts as 0.
    return jax.lax.select(biased == 0, jnp.full_like(exponent, ZERO_EXPONENT), exponent)


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
    return Scaled(_change_of_unit(value, factor, exponent, total), total)


def renormalise(number: Scaled) -> Scaled:
    """Return the same number with its largest entry in [1, 2)."""
    return normalise(number.value, number.exponent)


def normalise_tree(tree: Any, exponent: Array | int = 0) -> Any:
    """Return a tree of arrays as the same tree with `Scaled` leaves, one exponent a leaf."""
    return jax.tree.map(lambda leaf: normalise(leaf, exponent), tree)


def plain(tree: Any) -> Any:
    """Return the plain arrays of a `Scaled` or a tree of them: inf or 0 where out of range."""
    return jax.tree.map(lambda s: shift(s.value, s.exponent), tree, is_leaf=_is_scaled)


def common(number: Scaled) -> tuple[Array, Array]:
    """Return (value, exponent) of a stack brought to one exponent, its largest entry in [1, 2).

    Entries smaller than the largest by more than the dtype's range become 0; no sum would change.

    Args:
      number: stacked, value (*leading, *inner).

    Returns:
      value (*leading, *inner) and a scalar exponent.
    """
    top = jnp.max(_size(number), initial=_LOWEST)
    return in_unit(number, top), top


def _size(number: Scaled) -> Array:
    """Return the exponent of the largest entry, whatever the number's own exponent, (*leading,)."""
    own = exponent_of(number.value, number.exponent.ndim)
    size = own + number.exponent
    nothing = jnp.where(own == ZERO_EXPONENT, unit_of(number.exponent), 0) + ZERO_EXPONENT
    return jnp.where((own == ZERO_EXPONENT) | is_zero(size), nothing, size)


def add(a: Scaled, b: Scaled) -> Scaled:
    """Return a + b for a and b of equal shape."""
    return renormalise(add_normal(a, b))


def subtract(a: Scaled, b: Scaled) -> Scaled:
    """Return a - b for a and b of equal shape."""
    return add(a, Scaled(-b.value, b.exponent))


def add_normal(a: Scaled, b: Scaled) -> Scaled:
    """Return a + b for equal shapes, both with largest entries in [1, 2) or zero.

    Unlike in `add`, the sum is not normalised: its largest entry is below 4, and far below 1 where
    the two cancel.
    """
    top = jnp.maximum(a.exponent, b.exponent)
    return Scaled(in_unit(a, top) + in_unit(b, top), top)


def add_raw(raw: Scaled, b: Scaled) -> Scaled:
    """Return raw + b, where the largest entry of `raw` may be of any size.

    This replaces `add` for arrays so large that every pass over them is costly: `raw` is scanned
    once for its largest entry and not rewritten. The largest entry of the sum is below 4, and may
    be far below 1 where the two cancel; `normalise` corrects that.
    """
    size = _size(raw)
    top = jnp.maximum(size, b.exponent)
    factor = jnp.where(is_zero(size), 0, power_of_two(raw.exponent - top, raw.value.dtype))
    own = _change_of_unit(raw.value, factor, raw.exponent, top)
    return Scaled(own + in_unit(b, top), top)


def add_trees(a: Any, b: Any) -> Any:
    """Return the leafwise sum of two trees of `Scaled`."""
    return jax.tree.map(add, a, b, is_leaf=_is_scaled)


def divide(tree: Any, divisor: int | float) -> Any:
    """Return a tree of `Scaled` divided by a number of moderate magnitude."""
    return jax.tree.map(
        lambda s: normalise(s.value / divisor, s.exponent), tree, is_leaf=_is_scaled
    )


def from_log(log: Array) -> Scaled:
    """Return e^log as a `Scaled` (), 0 for -inf."""
    exponent = jnp.where(jnp.isfinite(log), jnp.floor(log / LOG_2), 0)
    return normalise(jnp.exp(log - exponent * LOG_2), exponent.astype(jnp.int32))


def times_exp(number: Scaled, log_factor: Array) -> Scaled:
    """Return a `Scaled`, stacked or not, times e^log_factor, log_factor ().

    The largest entry stays of order 1, below 4 for one that was below 2.
    """
    factor = from_log(log_factor)
    exponent = jnp.maximum(number.exponent + factor.exponent, _LOWEST)
    return Scaled(number.value * factor.value, exponent)


def sum_over_leading(tree: Any) -> Any:
    """Return a tree of stacked `Scaled` leaves summed over the first leading axis."""

    def one_sum(number: Scaled) -> Scaled:
        top = jnp.max(number.exponent, axis=0, keepdims=True)
        return normalise(jnp.sum(in_unit(number, top), axis=0), top[0])

    return jax.tree.map(one_sum, tree, is_leaf=_is_scaled)


def _aligned(tree: Any) -> tuple[list[Array], Array]:
    """Return a tree's leaves as plain arrays at one exponent, largest near 1, and the exponent."""
    leaves = [renormalise(leaf) for leaf in jax.tree.leaves(tree, is_leaf=_is_scaled)]
    top = jnp.max(jnp.stack([leaf.exponent for leaf in leaves]), axis=0)
    return [in_unit(leaf, top) for leaf in leaves], top


def _dot(a: list[Array], b: list[Array], n_leading: int) -> Array:
    products = [
        jnp.sum((x * y.conj()).real, axis=_inner_axes(x, n_leading))
        for x, y in zip(a, b, strict=True)
    ]
    return functools.reduce(operator.add, products)


def log_norm(tree: Any) -> Array:
    """Return the natural log of the Euclidean norm of a `Scaled` or of a tree of them.

    Args:
      tree: leaves with equal leading axes.

    Returns:
      (*leading,), -inf for zero.
    """
    values, top = _aligned(tree)
    squares = _dot(values, values, top.ndim)
    # Inside the logarithm no zero either: its derivative would be NaN even where it is not chosen.
    nothing = squares == 0
    length = 0.5 * jnp.log(jnp.where(nothing, 1, squares)) + top * LOG_2
    return jnp.where(nothing, -jnp.inf, length)


def cosine(a: Any, b: Any) -> Array:
    """Return the cosine of the angle between two trees of `Scaled`.

    Returns:
      (*leading,), NaN where either is zero: the angle to a zero vector is undefined, not 0.
    """
    (left, top), (right, _) = _aligned(a), _aligned(b)
    squares = _dot(left, left, top.ndim) * _dot(right, right, top.ndim)
    return _dot(left, right, top.ndim) / jnp.sqrt(squares)


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
