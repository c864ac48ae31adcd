"""Cotangents between recurrences: arrays of numbers that each have a power of two of their own.

A gradient that comes from one recurrence and enters the next spans any range of magnitudes over
its steps. It is therefore a `Scaled` whose exponent has the shape of its value, and a linear map
is applied to it in bands: the entries within a factor 2^width of the largest one as plain numbers
of one unit, then the rest, until nothing is left. One band is enough unless a gradient spans more
than half the range of the dtype.

Where there are many bands, the last ones may be known to change no digit of the image. How much the
map enlarges them must be known for that, and the bands already taken do not tell it: late states
may be tiny and early ones not. The map is therefore applied once to all cotangents at one magnitude
as a trial, each step times another number so that steps do not cancel.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.jaxprs import packing
from rnnjax.jaxprs.packing import Layout
from rnnjax.scaled import Scaled
from rnnjax.types import Array


def of(value: Array, exponent: Array | int = 0) -> Scaled:
    """Return value x 2^exponent with an exponent for each entry.

    Args:
      value: array of any shape.
      exponent: int32, of a shape that broadcasts to it.
    """
    value = jnp.asarray(value)
    return scaled.normalise(value, jnp.broadcast_to(jnp.asarray(exponent, jnp.int32), value.shape))


def or_zero(number: Scaled | None, like: Any) -> Scaled:
    """Return a number, or zeros shaped as an array if it is None."""
    if number is not None:
        return number
    return of(jnp.zeros(like.shape, packing.wide_dtype(like.dtype)))


def of_stack(number: Scaled) -> Scaled:
    """Return a stack of vectors, value (T, ...), exponent (T,), with an exponent for each entry."""
    exponent = jax.lax.expand_dims(number.exponent, range(number.exponent.ndim, number.value.ndim))
    return of(number.value, exponent)


def in_common(number: Scaled, n_leading: int = 0) -> Scaled:
    """Return entries brought to one exponent for each index of the leading axes."""
    axes = tuple(range(n_leading, number.exponent.ndim))
    top = jnp.max(number.exponent, axis=axes, keepdims=True, initial=2 * scaled.ZERO_EXPONENT)
    value = scaled.in_unit(number, jnp.broadcast_to(top, number.exponent.shape))
    return Scaled(value, jnp.squeeze(top, axes))


def flattened(numbers: Sequence[Scaled], n_leading: int = 0) -> Scaled:
    """Return entries of several arrays side by side: (*leading, n), with an exponent each."""
    parts = [jax.tree.map(lambda a: packing.flat(a, n_leading), number) for number in numbers]
    return jax.tree.map(lambda *a: jnp.concatenate(a, axis=n_leading), *parts)


def total(parts: Sequence[Scaled | None]) -> Scaled | None:
    """Return the sum of those that are not None."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    result = given[0]
    for part in given[1:]:
        result = scaled.add(result, part)
    return result


def transposed(
    pull: Callable[[list[Array]], list[Array]],
    cotangents: list[Scaled],
    like: list[Any],
    *,
    until_known: bool = False,
) -> list[Scaled]:
    """Return the image of some cotangents under a linear map, band by band.

    Args:
      pull: the map, from plain arrays shaped as the cotangents.
      cotangents: with an exponent for each entry, or for each index of their leading axes.
      like: shapes and dtypes of what the map takes.
      until_known: stop when what is left, enlarged by the map as much as anything may be, is below
        the last digit of every entry of the images.
    """
    dtype = _dtype_of(cotangents)
    width, digits = _width(dtype), jnp.finfo(dtype).nmant

    images = jax.eval_shape(pull, [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in like])
    layout = Layout.of(images)

    def goes_on(state: Any) -> Array:
        left, so_far, gain, _ = state
        remains = _any([~scaled.is_zero(e) for e in left])
        if not until_known:
            return remains
        # Half as many digits again, for steps that nearly cancel in the trial.
        known = so_far.exponent >= _top(left) + gain + digits + digits // 2
        return remains & ~jnp.all(known & ~scaled.is_zero(so_far.exponent))

    def next_band(state: Any) -> Any:
        left, so_far, gain, tries = state
        tries = tries & until_known  # a constant where there is no trial
        at = [jnp.where(tries & ~scaled.is_zero(e), 0, e) for e in left]
        top = _top(at)
        taken = [e > top - width for e in at]
        plain = [
            _in_unit(c, e, t, top, shape)
            for c, e, t, shape in zip(cotangents, at, taken, like, strict=True)
        ]
        if until_known:
            plain = [jnp.where(tries, _weighted(v, e), v) for v, e in zip(plain, at, strict=True)]
        values = layout.pack(pull(plain))
        longer = scaled.add(so_far, of(values, top))
        done = [t & ~tries for t in taken]
        rest = [jnp.where(d, scaled.ZERO_EXPONENT, e) for d, e in zip(done, left, strict=True)]
        so_far = jax.tree.map(lambda a, b: jnp.where(tries, a, b), so_far, longer)
        return rest, so_far, jnp.where(tries, _gain(values), gain), jnp.zeros((), bool)

    left = [c.exponent for c in cotangents]
    start = of(jnp.zeros(layout.size, layout.dtype))
    unknown = jnp.full((), -scaled.ZERO_EXPONENT, jnp.int32)
    # Two bands are taken at once: a trial would cost as much as the second.
    tries = (_top(left) - _bottom(left) >= 2 * width) & until_known
    total = jax.lax.while_loop(goes_on, next_band, (left, start, unknown, tries))[1]
    values, exponents = layout.split(total.value), layout.split(total.exponent)
    dtypes = [packing.wide_dtype(image.dtype) for image in images]
    triples = zip(values, exponents, dtypes, strict=True)
    return [Scaled(_cast(value, dtype), exponent) for value, exponent, dtype in triples]


def band_of(cotangents: list[Scaled]) -> tuple[Array, Array]:
    """Return the exponent of the largest cotangent, int32 (), and whether one band holds all."""
    exponents = [c.exponent for c in cotangents]
    top = _top(exponents)
    return top, top - _bottom(exponents) < _width(_dtype_of(cotangents))


def _dtype_of(cotangents: list[Scaled]) -> Any:
    return jnp.result_type(*(c.value.dtype for c in cotangents))


def _width(dtype: Any) -> int:
    return jnp.finfo(dtype).maxexp // 2


def _top(exponents: list[Array]) -> Array:
    lowest = 2 * scaled.ZERO_EXPONENT
    return jnp.max(jnp.stack([jnp.max(e, initial=lowest) for e in exponents]))


def _bottom(exponents: list[Array]) -> Array:
    """Return the smallest exponent that is not of a zero; that of the largest number if none is."""
    highest = -scaled.ZERO_EXPONENT
    others = [jnp.where(scaled.is_zero(e), highest, e) for e in exponents]
    return jnp.min(jnp.stack([jnp.min(e, initial=highest) for e in others]))


def _weighted(value: Array, exponent: Array) -> Array:
    """Return a stack times a weight in [1, 2) for each exponent: golden, so without a period."""
    numbers = jnp.arange(exponent.size, dtype=value.real.dtype).reshape(exponent.shape)
    weights = 1 + (numbers * 0.6180339887) % 1
    return value * jax.lax.expand_dims(weights, range(weights.ndim, value.ndim))


def _gain(images: Array) -> Array:
    """Return the exponent of the largest image of a trial; at least that of the smallest number."""
    info = jnp.finfo(images.dtype)
    gain = jnp.maximum(scaled.exponent_of(images), info.minexp)
    return jnp.where(jnp.all(jnp.isfinite(images)), gain, -scaled.ZERO_EXPONENT)


def _cast(value: Array, dtype: Any) -> Array:
    """Return an array in its own dtype: real where it was only packed among complex ones."""
    return (value if jnp.issubdtype(dtype, jnp.complexfloating) else value.real).astype(dtype)


def _any(truths: list[Array]) -> Array:
    return functools.reduce(operator.or_, [jnp.any(truth) for truth in truths])


def _in_unit(number: Scaled, left: Array, taken: Array, top: Array, like: Any) -> Array:
    exponent = jnp.where(taken, left, scaled.ZERO_EXPONENT)
    plain = scaled.in_unit(Scaled(number.value, exponent), top)
    kept = jax.lax.expand_dims(taken, range(taken.ndim, plain.ndim))
    return jnp.where(kept, plain, 0).astype(like.dtype)
