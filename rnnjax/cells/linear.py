"""Methods of cells that are linear in the state, with decays that the input alone sets.

  h_t = exp(a(d_t)) h_{t-1} + u(d_t)                                             (1)

Such a cell defines `log_decay(params, d)`, a, and `entering(params, d)`, u, whose shape is that of
its memory: a vector, or a matrix whose rows, or all of it, decay at one rate (a then broadcasts to
u). Where factors may be negative, or take less than the exponential of a logarithm, it also defines
`decay(params, d)`, the factors, and a is ln of their size. What the readout needs of the input
besides, `beside(params, d)`, stands behind the memory in the state and is read by no later step
(`Traits.n_unread`).

Equation (1) is an associative scan over time (`rnnjax.parallel.linear_states`).
"""

from typing import Any

import jax.numpy as jnp

from rnnjax.cells import parts
from rnnjax.tangents import Decay, decay
from rnnjax.types import Array, Point


def advance(self: Any, params: Any, h: Array, d: Array) -> Array:
    """Return h_t, equation (1), from h_{t-1} and the drive."""
    u = self.entering(params, d)
    memory = h[: u.size].reshape(u.shape)
    return state_of(self, params, decay_of(self, params, d) * memory + u, d)


def linearize(self: Any, params: Any, at: Point, *, by_row: bool = False) -> Decay:
    """Return J_t = diag(exp(a)), or that with signs, exact at any rate."""
    return decay(self, params, at, by_row=by_row)


def decay_of(self: Any, params: Any, d: Array) -> Array:
    """Return the factors of the memory, of the shape of a."""
    parts.check_real(d, "with decays")
    found: Array
    found = self.decay(params, d) if hasattr(self, "decay") else jnp.exp(self.log_decay(params, d))
    return found


def transition(self: Any, params: Any, d: Array) -> tuple[Array, Array]:
    """Return exp(a), with signs, and u of equation (1), both as vectors."""
    u = self.entering(params, d)
    factors = jnp.broadcast_to(decay_of(self, params, d), u.shape)
    return factors.ravel(), u.ravel()


def state_of(self: Any, params: Any, memory: Array, d: Array) -> Array:
    """Return the state, (n_h,), that holds a memory and what stands beside it."""
    rest = [self.beside(params, d)] if hasattr(self, "beside") else []
    return jnp.concatenate([memory.ravel(), *rest])


def memory_of(self: Any, h: Array) -> Array:
    """Return the matrix in the state, `memory_shape`."""
    n_rows, n_columns = self.memory_shape
    return h[: n_rows * n_columns].reshape(n_rows, n_columns)
