"""A matrix in the state, of which one direction is erased in part, or reflected, before it decays.

  S_t = a_t (I - beta_t k_t k_t^T) S_{t-1} + u_t,   |k_t| = 1                    (1)
  J_t = a_t (I - beta_t k_t k_t^T) on every column of S, J_t^T = J_t             (2)

Along k_t the factor is 1 - beta_t, across it 1. Products take rank one, not matrices; a_t is known
by its logarithm, so that it may lie far below the range of the dtype. Entries that are kept for the
readout alone, behind the matrix, are lost. 1 - beta_t is known to its last digits, but what is left
along k_t stands beside rounding of what is across it, unless there is nothing across (n = 1).
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import dynamics
from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import within_units
from rnnjax.types import Array, Params

_FURTHEST = 2**24  # exponents of a: a sum over many steps stays within int32


@struct.dataclass
class Reflected:
    """Equation (2).

    Attributes:
      cell: a cell of equation (1) with `reflection(params, d)`, which returns ln a (), beta () and
        k (n,), `kept(params, d)`, 1 - beta (), and `memory_shape`, (n, n_columns); the matrix
        stands first in its state.
      params: its parameters.
      h: h_{t-1}, (n_h,).
      drive: d_t, (n_d,).
    """

    cell: Any
    params: Params
    h: Array
    drive: Array

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        found = self.mm(v[:, None])
        return Scaled(found.value[:, 0], found.exponent)

    rmv = mv  # J is symmetric

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        a, kept, k = self._factors()
        n_rows, n_columns = self.cell.memory_shape
        S = M[: n_rows * n_columns].reshape(n_rows, -1)
        along = k[:, None] * (k @ S)[None]
        S = a.value * ((S - along) + kept * along)
        moved = S.reshape(n_rows * n_columns, -1)
        return Scaled(jnp.pad(moved, ((0, len(M) - len(moved)), (0, 0))), a.exponent)

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
        return self.mm(jnp.eye(self.h.size, dtype=self.h.dtype))

    def of_a_column(self) -> Scaled:
        """Return a (I - beta k k^T), value (n, n)."""
        a, kept, k = self._factors()
        along = jnp.outer(k, k)
        return Scaled(
            a.value * ((jnp.eye(len(k), dtype=k.dtype) - along) + kept * along), a.exponent
        )

    def _factors(self) -> tuple[Scaled, Array, Array]:
        log_a, _, k = self.cell.reflection(self.params, self.drive)
        kept = self.cell.kept(self.params, self.drive)
        exponent = jnp.floor(jnp.nan_to_num(log_a / math.log(2), neginf=0.0))
        exponent = jnp.clip(exponent, -_FURTHEST, _FURTHEST)
        value = jnp.exp(log_a - exponent * math.log(2))
        return Scaled(value, exponent.astype(jnp.int32)), kept, k

    def _of_drive(self, d: Array) -> Array:
        return partial(dynamics.advance, self.cell, self.params, self.h)(d)


@within_units.register
def _(tangent: Reflected, m: int) -> Scaled:
    n_rows, n_columns = tangent.cell.memory_shape
    if m < n_rows or m * n_columns != tangent.h.size:
        return within_units.dispatch(object)(tangent, m)
    # A unit is a column of the matrix, and of what stands behind it.
    J = tangent.of_a_column()
    own = jnp.pad(J.value, (0, m - n_rows))
    return Scaled(jnp.broadcast_to(own[:, :, None], (m, m, n_columns)), J.exponent)
