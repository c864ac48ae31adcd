"""The Jacobian of a complex state as a real matrix of twice the size.

  h = a + i b  ->  [a, b],   J = A + i B  ->  [[A, -B], [B, A]]                  (1)

Its transpose in real numbers is the adjoint of J.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.scaled import Scaled
from rnnjax.tangents.diagonal import Diagonal
from rnnjax.tangents.tangent import within_units
from rnnjax.types import Array


@fields.dataclass
class OfComplex:
    """Equation (1).

    Attributes:
      tangent: J, whose products are linear in real numbers at least.
      of_drive: whether the drive is complex, static.
    """

    tangent: Any
    of_drive: bool = fields.flag()

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        return _split(self.tangent.mv(_joined(v)))

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return _split(self.tangent.mm(_joined(M)))

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v."""
        found = self.tangent.rmv(_joined(v).conj())
        return _split(Scaled(found.value.conj(), found.exponent))

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v."""
        found = self.tangent.to_drive(_joined(v).conj())
        if not self.of_drive:
            return Scaled(found.value.real, found.exponent)
        return _split(Scaled(found.value.conj(), found.exponent))

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v."""
        return _split(self.tangent.from_drive(_joined(v) if self.of_drive else v))

    def as_matrix(self) -> Scaled:
        """Return J."""
        like = jax.eval_shape(self.tangent.as_matrix).value
        return self.mm(jnp.eye(2 * len(like), dtype=jnp.finfo(like.dtype).dtype))


def _joined(v: Array) -> Array:
    return jax.lax.complex(*jnp.split(v, 2))


def _split(product: Scaled) -> Scaled:
    parts = jnp.concatenate([product.value.real, product.value.imag])
    by_row = product.exponent.ndim > 0
    return Scaled(parts, jnp.tile(product.exponent, 2) if by_row else product.exponent)


@within_units.register
def _(tangent: OfComplex, m: int) -> Scaled:
    if m != 2 or not isinstance(tangent.tangent, Diagonal):
        return within_units.dispatch(object)(tangent, m)
    own = tangent.tangent
    a, b = own.entries.real, own.entries.imag
    return Scaled(jnp.stack([jnp.stack([a, -b]), jnp.stack([b, a])]), own.diagonal().exponent)
