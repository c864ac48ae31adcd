"""A linear map between states that leaves the units apart."""

from typing import NamedTuple

import jax.numpy as jnp

from rnnjax.scaled import Scaled
from rnnjax.tangents import within_units
from rnnjax.types import Array


class UnitBlocks(NamedTuple):
    """K of n units with m state entries each.

    Attributes:
      K: value (m, m, n), [a, b, u] leads from entry b to entry a of unit u; exponent ().
    """

    K: Scaled

    def mv(self, v: Array) -> Scaled:
        """Return K v for v (n_h,)."""
        m, _, n = self.K.value.shape
        return self._of(jnp.sum(self.K.value * v.reshape(1, m, n), axis=1).reshape(-1))

    def rmv(self, v: Array) -> Scaled:
        """Return K^T v for v (n_h,)."""
        m, _, n = self.K.value.shape
        return self._of(jnp.sum(self.K.value * v.reshape(m, 1, n), axis=0).reshape(-1))

    def mm(self, M: Array) -> Scaled:
        """Return K M for M (n_h, k)."""
        return self._of(self.as_matrix().value @ M)

    def as_matrix(self) -> Scaled:
        """Return K, value (n_h, n_h)."""
        m, _, n = self.K.value.shape
        apart = jnp.eye(n, dtype=self.K.value.dtype)[None, :, None, :]
        return self._of((self.K.value[:, None, :, :] * apart).reshape(m * n, m * n))

    def _of(self, value: Array) -> Scaled:
        return Scaled(value, self.K.exponent)


@within_units.register
def _(tangent: UnitBlocks, m: int) -> Scaled:
    if m == len(tangent.K.value):
        return tangent.K
    return within_units.dispatch(object)(tangent, m)
