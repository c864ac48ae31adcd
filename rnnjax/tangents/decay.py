"""A state that decays entry by entry, at rates that the input alone sets.

  h_t = exp(a_t) h_{t-1} + u_t,   a_t = a(d_t),  u_t = u(d_t)                    (1)
  J_t = diag(exp(a_t))                                                           (2)

Rates are known by their logarithms, so that a factor far below the range of the dtype is still
exact; of signed factors (`rnnjax.cells.linear`) it is that of their sizes. Entries that are kept
for the readout alone, behind the others, have factors of 0.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import dynamics
from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import in_common, within_units
from rnnjax.types import Array, Params, Point

_FURTHEST = 2**24  # exponents of factors: a sum over many steps stays within int32


def decay(cell: Any, params: Params, at: Point, *, by_row: bool = False) -> "Decay":
    """Return J_t, equation (2), of a cell of equation (1) (`rnnjax.cells.linear`).

    Args:
      cell: the cell.
      params: its parameters.
      at: where the step is linearised.
      by_row: whether each entry of the diagonal has an exponent of its own.
    """
    u = cell.entering(params, at.drive)

    def of_state(rates: Callable[..., Array], of_rest: float) -> Array:
        """Return rates of the entries of the memory, and a constant for the others, (n_h,)."""
        of_memory = jnp.broadcast_to(rates(params, at.drive), u.shape).ravel()
        rest = jnp.full(at.h.size - of_memory.size, of_rest, of_memory.dtype)
        return jnp.concatenate([of_memory, rest])

    a = of_state(cell.log_decay, of_rest=-jnp.inf)
    top = a if by_row else jnp.max(a)
    exponent = jnp.floor(jnp.nan_to_num(top / math.log(2), neginf=0.0))
    exponent = jnp.clip(exponent, -_FURTHEST, _FURTHEST)
    size = jnp.exp(a - exponent * math.log(2))
    if hasattr(cell, "decay"):
        size = jnp.where(of_state(cell.decay, of_rest=0.0) < 0, -size, size)
    return Decay(cell, params, at.h, at.drive, Scaled(size, exponent.astype(jnp.int32)))


@struct.dataclass
class Decay:
    """Equation (2).

    Attributes:
      cell: a cell of equation (1), see `rnnjax.cells.linear`.
      params: its parameters.
      h: h_{t-1}, (n_h,).
      drive: d_t, (n_d,).
      J: the diagonal of J_t, value (n_h,), exponent () or (n_h,).
    """

    cell: Any
    params: Params
    h: Array
    drive: Array
    J: Scaled

    def diagonal(self) -> Scaled:
        """Return the diagonal of J, value (n_h,)."""
        return self.J

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        return Scaled(self.J.value * v, self.J.exponent)

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return Scaled(self.J.value[:, None] * M, self.J.exponent)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v, with one exponent for all entries."""
        return in_common(self.mv(v))

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n_d,)."""
        new, pull = jax.vjp(self._of_drive, self.drive)
        return Scaled(pull(v.astype(new.dtype))[0], jnp.zeros((), jnp.int32))

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, value (n_h,)."""
        moved = jax.jvp(self._of_drive, (self.drive,), (v.astype(self.drive.dtype),))[1]
        return Scaled(moved, jnp.zeros((), jnp.int32))

    def as_matrix(self) -> Scaled:
        """Return J."""
        return Scaled(jnp.diag(self.J.value), self.J.exponent)

    def _of_drive(self, d: Array) -> Array:
        return partial(dynamics.advance, self.cell, self.params, self.h)(d)


@within_units.register
def _(tangent: Decay, m: int) -> Scaled:
    J = in_common(tangent.J)
    own = jnp.eye(m, dtype=J.value.dtype)[:, :, None] * J.value.reshape(1, m, -1)
    return Scaled(own, J.exponent)
