"""A step of several maps, one after the other.

  J_t = A_L ... A_2 A_1                                                          (1)

Only the product J_t has to be square.
"""

from typing import Any

import jax.numpy as jnp
from flax import struct

from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import in_common, slope
from rnnjax.types import Array


@struct.dataclass
class Composed:
    """Equation (1).

    Attributes:
      maps: A_1, ..., A_L, in the order in which they act.
    """

    maps: tuple[Any, ...]

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        return self._through([tangent.mv for tangent in self.maps], v)

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return self._through([tangent.mm for tangent in self.maps], M)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v."""
        return self._through([tangent.rmv for tangent in reversed(self.maps)], v)

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v: the drive enters in the first map."""
        first, *later = self.maps
        products = [tangent.rmv for tangent in reversed(later)]
        return self._through([*products, first.to_drive], v)

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v."""
        first, *later = self.maps
        return self._through([first.from_drive, *(tangent.mv for tangent in later)], v)

    def as_matrix(self) -> Scaled:
        """Return J."""
        first, *later = self.maps
        J = in_common(first.as_matrix())
        rest = self._through([tangent.mm for tangent in later], J.value)
        return Scaled(rest.value, rest.exponent + J.exponent)

    def _through(self, products: list[Any], value: Array) -> Scaled:
        exponent = jnp.zeros((), jnp.int32)
        for product in products:
            before = in_common(Scaled(value, exponent))
            found = product(before.value)
            value, exponent = found.value, found.exponent + before.exponent
        return Scaled(value, exponent)


@slope.register
def _(tangent: Composed) -> Scaled | None:
    return slope(tangent.maps[-1])
