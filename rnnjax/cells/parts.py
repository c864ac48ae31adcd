"""Methods that several cells have in common, to be named in their class bodies.

A cell is one class that can be read alone, not a branch of a tree; what is the same in many of them
stands here once: ``step = parts.step``.

Products of weights and vectors are those of `rnnjax.matvec`.
"""

from typing import Any

import jax.numpy as jnp

from rnnjax import dynamics
from rnnjax.matvec import matvec
from rnnjax.ranges import refusal
from rnnjax.types import Array


def initial_state(self: Any) -> Array:
    """Return zeros, (n_h,)."""
    return jnp.zeros(self.n_h)


def step(self: Any, params: Any, h: Array, x: Array) -> Array:
    """Return h_t (n_h,) from h_{t-1} (n_h,) and x_t (n_x,)."""
    return dynamics.advance(self, params, h, dynamics.drive(self, params, x))


def drive(self: Any, params: Any, x: Array) -> Array:
    """Return U x + b, the part of a step that does not depend on the state."""
    return matvec(params.U, x) + params.b


def readout(self: Any, params: Any, h: Array) -> Array:
    """Return V h + c, (n_y,)."""
    return matvec(params.V, h) + params.c


def recurrent_weights(self: Any, params: Any) -> Array:
    """Return W, (n_z, n_s)."""
    W: Array = params.W
    return W


def check_real(values: Array, why: str) -> None:
    """Refuse complex inputs or weights in a cell whose equations mean nothing for them.

    Args:
      values: what a step makes of them.
      why: what the cell has that compares numbers.

    Raises:
      ValueError: they are complex.
    """
    if jnp.iscomplexobj(values):
        expected = f"real inputs and weights of a cell {why}"
        raise refusal("x", expected, str(values.dtype), shown_by=str)
