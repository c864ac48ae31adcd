"""A leak beside weights that act through elementwise slopes.

  J_t = k I + diag(f'(z_t)) W                                                    (1)

with k = 1 - a of h_t = (1 - a) h_{t-1} + a f(z_t), the factor a being part of the slopes. W need
not be square where nothing leaks: layers within a step are such maps too.
"""

from typing import Any

import jax.numpy as jnp
from flax import struct

from rnnjax.activations import Activation, graded_slope, scaled_slope
from rnnjax.matvec import matvec
from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import in_common, slope, within_units
from rnnjax.types import Array


@struct.dataclass
class Leaky:
    """Equation (1).

    Attributes:
      W: (n, n_s).
      slopes: f'(z_t) / 2^exponent, (n,).
      exponent: int32 (), or one for each row, (n,); 0 beside a leak.
      keep: k; None where nothing leaks.
    """

    W: Array
    slopes: Array
    exponent: Array
    keep: Any = None  # a number

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        return Scaled(self._beside(v, self.slopes * matvec(self.W, v)), self.exponent)

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return Scaled(self._beside(M, self.slopes[:, None] * (self.W @ M)), self.exponent)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v."""
        e = in_common(self.to_drive(v))
        return Scaled(self._beside(v, e.value @ self.W), e.exponent)

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n,)."""
        return Scaled(self.slopes * v, self.exponent)

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, value (n,): diagonal, hence as its transpose."""
        return self.to_drive(v)

    def as_matrix(self) -> Scaled:
        """Return J."""
        J = self.slopes[:, None] * self.W
        if self.keep is None:
            return Scaled(J, self.exponent)
        return Scaled(self._beside(jnp.eye(len(J), dtype=J.dtype), J), self.exponent)

    def _beside(self, v: Array, new: Array) -> Array:
        return new if self.keep is None else self.keep * v + new


def leaky(
    activation: Activation,
    W: Array,
    z: Array,
    leak: Array | float = 1.0,
    *,
    by_row: bool = False,
) -> Leaky:
    """Construct J_t of h_t = (1 - a) h_{t-1} + a f(z_t), equation (1), accurate under saturation.

    Args:
      activation: f.
      W: recurrent weights, (n_h, n_h).
      z: pre-activations, (n_h,).
      leak: a in (0, 1].
      by_row: whether every slope has an exponent of its own.
    """
    slopes, exponent = (graded_slope if by_row else scaled_slope)(activation, z)
    if isinstance(leak, (int, float)) and leak == 1:
        return Leaky(W, slopes, exponent)
    # Beside (1 - a) I slopes below rounding do not matter, so no exponent is taken out.
    leaks = leak != 1
    slopes = leak * jnp.where(leaks, activation.slope(z), slopes)
    return Leaky(W, slopes, jnp.where(leaks, 0, exponent), 1 - leak)


@slope.register
def _(tangent: Leaky) -> Scaled:
    return Scaled(tangent.slopes, tangent.exponent)


@within_units.register
def _(tangent: Leaky, m: int) -> Scaled:
    if m != 1 or tangent.exponent.ndim:
        return within_units.dispatch(object)(tangent, m)
    own = tangent.slopes * jnp.diagonal(tangent.W)
    own = own if tangent.keep is None else tangent.keep + own
    return Scaled(own[None, None], tangent.exponent)
