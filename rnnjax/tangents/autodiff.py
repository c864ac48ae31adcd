"""Jacobians by automatic differentiation: of the whole step, or of what is behind its products.

  J_t = d advance(h_{t-1}, d_t) / dh_{t-1}                                       (1)
  J_t = dg/dh + (dg/dz) W (ds/dh),   h_t = g(h_{t-1}, z_t), z_t = W s(h_{t-1}) + d_t   (2)

Of a pre-activation cell (2) computes no product of the forward pass again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from rnnjax import dynamics
from rnnjax.matvec import matvec
from rnnjax.scaled import Scaled
from rnnjax.tangents.tangent import n_read, slope
from rnnjax.types import Array, Params


@struct.dataclass
class Autodiff:
    """Equation (1).

    Attributes:
      cell: any cell.
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
        return _exact(jax.jvp(self._of_state, (self.h,), (v.astype(self.h.dtype),))[1])

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return _by_columns(self.mv, M)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v."""
        new, pull = jax.vjp(self._of_state, self.h)
        return _exact(pull(v.astype(new.dtype))[0])

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n_d,), for v (n_h,)."""
        new, pull = jax.vjp(partial(self._advance, self.h), self.drive)
        return _exact(pull(v.astype(new.dtype))[0])

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, value (n_h,), for v (n_d,)."""
        step = partial(self._advance, self.h)
        return _exact(jax.jvp(step, (self.drive,), (v.astype(self.drive.dtype),))[1])

    def as_matrix(self) -> Scaled:
        """Return J."""
        return self.mm(jnp.eye(self.h.size, dtype=self.h.dtype))

    def _advance(self, h: Array, d: Array) -> Array:
        return dynamics.advance(self.cell, self.params, h, d)

    def _of_state(self, h: Array) -> Array:
        return self._advance(h, self.drive)


@struct.dataclass
class BehindPreactivation:
    """Equation (2).

    Attributes:
      cell: a pre-activation cell.
      W: its recurrent weights, (n_z, n_s).
      h: h_{t-1}, (n_h,).
      z: z_t, (n_z,).
    """

    cell: Any
    W: Array
    h: Array
    z: Array

    def mv(self, v: Array) -> Scaled:
        """Return J v."""
        v = v.astype(self.h.dtype)
        s = jax.jvp(self.cell.presynaptic, (self.h,), (v,))[1]
        return _exact(self._jvp(v, matvec(self.W, s)))

    def mm(self, M: Array) -> Scaled:
        """Return J M."""
        return _by_columns(self.mv, M)

    def rmv(self, v: Array) -> Scaled:
        """Return J^T v."""
        by_h, by_z = self._vjp(v)
        _, pull = jax.vjp(self.cell.presynaptic, self.h)
        return _exact(by_h + pull(by_z @ self.W)[0])

    def to_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t)^T v, value (n_z,), for v (n_h,)."""
        return _exact(self._vjp(v)[1])

    def from_drive(self, v: Array) -> Scaled:
        """Return (dh_t/dd_t) v, value (n_h,), for v (n_z,)."""
        return _exact(self._jvp(jnp.zeros_like(self.h), v.astype(self.z.dtype)))

    def as_matrix(self) -> Scaled:
        """Return J."""
        return self.mm(jnp.eye(self.h.size, dtype=self.h.dtype))

    def _jvp(self, v: Array, by_z: Array) -> Array:
        at = (self.h, self.z)
        return jax.jvp(self.cell.step_from_preactivation, at, (v, by_z))[1]

    def _vjp(self, v: Array) -> tuple[Array, Array]:
        new, pull = jax.vjp(self.cell.step_from_preactivation, self.h, self.z)
        return pull(v.astype(new.dtype))


@slope.register
def _(tangent: BehindPreactivation) -> Scaled | None:
    if tangent.z.shape != tangent.h.shape:
        return None
    return tangent.from_drive(jnp.ones_like(tangent.z))  # g acts unit by unit


@n_read.register(Autodiff)
@n_read.register(BehindPreactivation)
def _(tangent: Autodiff | BehindPreactivation) -> Array | None:
    """Count the entries of J^T v that are not 0, of a generic v."""
    if jnp.iscomplexobj(tangent.h):
        return None  # J^T v is linear in real numbers alone
    held = jax.tree.map(_held, tangent)
    v = jnp.asarray(np.random.default_rng(2).standard_normal(held.h.size), held.h.dtype)
    return jnp.sum(held.rmv(v).value != 0, dtype=jnp.int32)


def _held(leaf: Any) -> Any:
    """Return a leaf without derivative: not every step has one of J^T v."""
    return jax.lax.stop_gradient(leaf) if isinstance(leaf, jax.Array) else leaf


def _exact(value: Array) -> Scaled:
    return Scaled(value, jnp.zeros((), jnp.int32))


def _by_columns(mv: Callable[[Array], Scaled], M: Array) -> Scaled:
    return _exact(jax.vmap(lambda v: mv(v).value, 1, 1)(M))
