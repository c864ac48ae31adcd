"""What cells with a matrix for a memory have in common, to be named in their class bodies.

  o_t = S_t^T q_t,   y_t = V o_t + c                                             (1)
  S_t = a_t S_{t-1} + beta_t k_t (v_t - a_t S_{t-1}^T k_t)^T                     (2)
      = a_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T                    (3)

S (n, n) has a row for each entry of the keys and a column for each of the values. The query q
stands behind S in the state: equation (1) needs it, and no later step does. Equation (2) is the
delta rule: what the memory says of k_t moves towards v_t. As published, queries, keys and values
have no bias: at an input of 0 nothing is asked and nothing is read (o = 0), whatever S holds.
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import slopes
from rnnjax.cells import linear, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.tangents.reflected import Reflected
from rnnjax.types import Array, Point


def n_h(self: Any) -> int:
    """State entries: S and q."""
    return int(self.n_units * (self.n_units + 1))


def memory_shape(self: Any) -> tuple[int, int]:
    """Shape of S: keys, values."""
    return self.n_units, self.n_units


def traits(self: Any) -> Traits:
    """A unit is a column of S and an entry of q, which no later step reads."""
    return Traits(entries_per_unit=self.n_units + 1, n_unread=self.n_units)


def output(self: Any, params: Any, h: Array) -> Array:
    """Return what the memory answers to the query, o_t of equation (1), (n_units,)."""
    S = linear.memory_of(self, h)
    return h[S.size :] @ S


def readout(self: Any, params: Any, h: Array) -> Array:
    """Return V o + c, (n_y,)."""
    return matvec(params.V, self.output(params, h)) + params.c


def delta_rule(self: Any, params: Any, h: Array, d: Array) -> Array:
    """Return h_t from h_{t-1} and the drive, equation (2)."""
    parts.check_real(d, "with decays")
    log_a, beta, k = self.reflection(params, d)
    S = jnp.exp(log_a) * linear.memory_of(self, h)
    S = S + k[:, None] * (beta * (self.value(params, d) - k @ S))[None]
    return linear.state_of(self, params, S, d)


def transition(self: Any, params: Any, d: Array) -> tuple[Array, Array]:
    """Return A and u, (n, n) each, of S_t = A S_{t-1} + u, equation (3)."""
    log_a, beta, k = self.reflection(params, d)
    I = jnp.eye(len(k), dtype=k.dtype)
    A = jnp.exp(log_a) * (I - beta * jnp.outer(k, k))
    return A, beta * jnp.outer(k, self.value(params, d))


def linearize(self: Any, params: Any, at: Point, *, by_row: bool = False) -> Reflected:
    """Return J_t: the factor of S in equation (3), at any a."""
    return Reflected(self, params, at.h, at.drive)


def unit_vector(u: Array) -> Array:
    """Return u / |u|, (n,); 0, with slopes of 0, where u is 0."""
    # The size changes neither the result nor its slopes; without it small squares would be 0.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(u)))
    u = u / jnp.where(size > 0, size, 1)
    square = jnp.where(size > 0, u @ u, 1)
    return jnp.where(size > 0, u / jnp.sqrt(square), 0)


def kept(self: Any, params: Any, d: Array) -> Array:
    """Return 1 - beta, (), of a cell whose logit of beta stands behind q, k and v in the drive."""
    logit = d[3 * self.n_units]
    return -slopes.tanh(logit / 2) if self.negative else slopes.logistic(-logit)


def strength(logit: Array, negative: bool) -> Array:
    """Return beta, (): s(logit), or twice that, for eigenvalues 1 - beta down to -1."""
    return (2 if negative else 1) * slopes.logistic(logit)
