"""A diagonal Jacobian.

  J_t = diag(f'(z_t)) diag(w)                                                    (1)

w is the same at every step: the eigenvalues of a linear recurrent unit, the weight of a chain.
"""

import jax.numpy as jnp
from flax import struct

from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import slope, within_units
from rnnjax.types import Array


@struct.dataclass
class Diagonal:
    """Equation (1).

    Attributes:
      weights: w, (n_h,).
      slopes: f'(z_t) / 2^exponent, (n_h,); None where the step is linear.
      exponent: int32 (); None for 0.
    """

    weights: Array
    slopes: Array | None = None
    exponent: Array | None = None

    @property
    def entries(self) -> Array:
        """The diagonal of J without the exponent, (n_h,)."""
        return self.weights if self.slopes is None else self.slopes * self.weights

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        return self._scaled(self.entries * v)

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return self._scaled(self.entries[:, None] * M)

    rmv = mv  # a diagonal matrix is its own transpose

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n_h,)."""
        return self._scaled(v if self.slopes is None else self.slopes * v)

    from_drive = to_drive

    def as_matrix(self) -> Scaled:
        """Return J."""
        return self._scaled(jnp.diag(self.entries))

    def diagonal(self) -> Scaled:
        """Return the diagonal of J, value (n_h,)."""
        return self._scaled(self.entries)

    def _scaled(self, value: Array) -> Scaled:
        return Scaled(value, jnp.zeros((), jnp.int32) if self.exponent is None else self.exponent)


@slope.register
def _(tangent: Diagonal) -> Scaled | None:
    if tangent.slopes is None:
        return None
    return tangent._scaled(tangent.slopes)


@within_units.register
def _(tangent: Diagonal, m: int) -> Scaled:
    own = jnp.eye(m, dtype=tangent.entries.dtype)[:, :, None] * tangent.entries.reshape(1, m, -1)
    return tangent._scaled(own)
