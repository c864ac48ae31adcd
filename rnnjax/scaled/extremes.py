"""The largest and the smallest of some magnitudes, found fast within a scan on a CPU.

Magnitudes are compared as integers: the bits of positive floats have their order, and XLA's maximum
of floats goes entry by entry, because it must detect every NaN. Along a short axis even integers
are compared one by one in a scan, so halves of it are compared entry by entry with each other until
little is left, which takes less than half the time.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Array = jax.Array
_FEW, _MANY = 8, 1024  # entries that are reduced at once, and in halves
INTEGER = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}


def bits_of_magnitude(value: Array) -> Array:
    """Return the bits of |value| as integers, in the same order; inf and NaN come last."""
    if jnp.iscomplexobj(value):
        return jnp.maximum(bits_of_magnitude(value.real), bits_of_magnitude(value.imag))
    integer = INTEGER[value.dtype.itemsize]
    return jax.lax.bitcast_convert_type(value, integer) & jnp.iinfo(integer).max


def largest(bits: Array, axes: tuple[int, ...]) -> Array:
    """Return the maximum over the last axes, 0 if they are empty."""
    if len(axes) == 1:
        bits = _in_halves(jax.lax.max, bits)
    return jnp.max(bits, axis=axes, initial=0)


def smallest_magnitude(values: Array) -> Array:
    """Return the least |value| of all entries, of which there is one at least; NaN if all are."""
    bits = jnp.min(_in_halves(jax.lax.min, bits_of_magnitude(values.ravel())))
    return jax.lax.bitcast_convert_type(bits, values.dtype)


def _in_halves(of_two: Callable[[Array, Array], Array], values: Array) -> Array:
    """Return at most `_FEW` entries along the last axis with the same extreme."""
    n = values.shape[-1]
    if not _FEW < n <= _MANY:
        return values

    def part(values: Array, start: int, stop: int) -> Array:
        return jax.lax.slice_in_dim(values, start, stop, axis=-1)

    power = 1 << (n.bit_length() - 1)
    if rest := n - power:
        paired = of_two(part(values, 0, rest), part(values, power, n))
        values = jnp.concatenate([paired, part(values, rest, power)], axis=-1)
    while (half := values.shape[-1] // 2) >= _FEW:
        values = of_two(part(values, 0, half), part(values, half, 2 * half))
    return values
