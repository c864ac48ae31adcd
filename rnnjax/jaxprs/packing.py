"""Several arrays side by side in one vector.

A gradient with many leaves is scaled, added and normalised as one vector: the number of operations
to compile does not grow with the number of leaves.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjax import scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array


def wide_dtype(dtype: Any) -> Any:
    """Return float32 for half precision, and other dtypes as they are."""
    return jnp.float32 if jnp.dtype(dtype).itemsize == 2 else dtype


def wide(value: Any) -> Array:
    """Return a floating-point array in float32 if it is in half precision."""
    value = jnp.asarray(value)
    return value.astype(wide_dtype(value.dtype))


def flat(value: Array, n_leading: int = 0) -> Array:
    """Return an array (*leading, *inner) as (*leading, n); there may be none of either."""
    leading, inner = value.shape[:n_leading], value.shape[n_leading:]
    return value.reshape((*leading, math.prod(inner)))


class Layout(NamedTuple):
    """How several arrays stand side by side in a vector.

    Attributes:
      shapes: their shapes.
      dtypes: their dtypes.
    """

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[Any, ...]

    @classmethod
    def of(cls, leaves: Sequence[Any]) -> "Layout":
        """Return the layout of some arrays, or of their shapes."""
        return cls(tuple(v.shape for v in leaves), tuple(v.dtype for v in leaves))

    @property
    def sizes(self) -> list[int]:
        """The number of entries of each array."""
        return [int(np.prod(shape)) for shape in self.shapes]

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(self.sizes)

    @property
    def dtype(self) -> Any:
        """The dtype of the vector: float32 where all arrays are in half precision."""
        return jnp.result_type(*(wide_dtype(d) for d in self.dtypes))

    def pack(self, leaves: Sequence[Any], n_leading: int = 0) -> Array:
        """Return arrays (*leading, *shape) as one vector, (*leading, n)."""
        parts = [jnp.asarray(leaf).astype(self.dtype) for leaf in leaves]
        return jnp.concatenate([flat(p, n_leading) for p in parts], axis=-1)

    def split(self, vector: Array) -> list[Array]:
        """Return a vector, (*leading, n), as arrays (*leading, *shape) of its own dtype."""
        parts = jnp.split(vector, np.cumsum(self.sizes)[:-1], axis=-1)
        leading = vector.shape[:-1]
        return [p.reshape((*leading, *s)) for p, s in zip(parts, self.shapes, strict=True)]

    def own_parts(self, vector: Array) -> list[Array]:
        """Return `split`, with arrays real that were only packed among complex ones."""
        pairs = zip(self.split(vector), self.dtypes, strict=True)
        return [v if jnp.issubdtype(d, jnp.complexfloating) else v.real for v, d in pairs]

    def tops(self, number: Scaled) -> Array:
        """Return the largest exponent of each array; `number` has one for each entry."""
        lowest = 2 * scaled.ZERO_EXPONENT
        parts = self.split(number.exponent)
        return jnp.stack([jnp.max(part, initial=lowest) for part in parts])

    def brought_to(self, number: Scaled, exponents: Array) -> list[Scaled]:
        """Return the arrays of a vector, each with its entries in one unit 2^exponent."""
        each = [jnp.broadcast_to(e, n) for e, n in zip(exponents, self.sizes, strict=True)]
        value = scaled.in_unit(number, jnp.concatenate(each))
        return [Scaled(v, e) for v, e in zip(self.split(value), exponents, strict=True)]
