"""What every linearised step offers.

  J_t = dh_t/dh_{t-1},   dh_t/dd_t                                               (1)

The derivative with respect to the drive is that with respect to the pre-activations z_t = W s +
d_t, where a cell has them.

The results are `Scaled`: the slopes of a saturated unit are as small as e^-100, so that no product
with J_t need lie in the range of the dtype. They are not normalised; their exponent is that of the
tangent, whatever is multiplied: int32 (), or one for each row of J, (n_h,).
"""

import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class Tangent(Protocol):
    """The linear maps of equation (1), as a pytree."""

    def mv(self, v: Array) -> Scaled:
        """Return J v, value (n_h,), for v (n_h,)."""
        ...

    def mm(self, M: Array) -> Scaled:
        """Return J M, value (n_h, k), for M (n_h, k)."""
        ...

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v, value (n_h,), exponent (), for v (n_h,)."""
        ...

    def as_matrix(self) -> Scaled:
        """Return J, value (n_h, n_h)."""
        ...

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n_d,), for v (n_h,)."""
        ...

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, value (n_h,), for v (n_d,)."""
        ...


def at_rows(product: Scaled) -> Scaled:
    """Return a product of a tangent with an exponent for each row, (n_h,)."""
    rows = product.value.shape[:1]
    return Scaled(product.value, jnp.broadcast_to(product.exponent, rows))


def rmm(tangent: Tangent, M: Array) -> Scaled:
    """Return J^T M, value (n_h, k), for M (n_h, k)."""
    axes: Any = Scaled(1, None)  # type: ignore[arg-type]  # the exponent is that of J
    found: Scaled = jax.vmap(tangent.rmv, in_axes=1, out_axes=axes)(M)
    return found


def in_common(rows: Scaled) -> Scaled:
    """Return a product of a tangent, whose rows may have exponents of their own, at one, ()."""
    if rows.exponent.ndim == 0:
        return rows
    # A row of zeros has any exponent, and must not hide rows that are far below it.
    there = jnp.any(rows.value != 0, axis=range(1, rows.value.ndim))
    exponent = jnp.where(there, rows.exponent, jnp.min(rows.exponent))
    top = jnp.max(exponent)
    below = (exponent - top).reshape(-1, *[1] * (rows.value.ndim - 1))
    return Scaled(scaled.lower(rows.value, below), top)


@functools.singledispatch
def slope(tangent: Any) -> Scaled | None:
    """Return f'(z_t), value (n_h,), where h_t is an activation of a sum z_t, else None."""
    return None


@functools.singledispatch
def n_read(tangent: Any) -> Array | None:
    """Return how many columns of J_t are not 0, int32 (); None of a structure that has no such."""
    return None


@functools.singledispatch
def within_units(tangent: Any, m: int) -> Scaled:
    """Return the part of J_t within units, value (m, m, n), for m state entries each of n units.

    Its entry [a, b, u] is dh_t[a, u] / dh_{t-1}[b, u].
    """
    J = tangent.as_matrix()
    n = len(J.value) // m
    by_unit = J.value.reshape(m, n, m, n)
    return Scaled(jnp.diagonal(by_unit, axis1=1, axis2=3), J.exponent)
