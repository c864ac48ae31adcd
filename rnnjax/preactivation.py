"""The weights behind the pre-activations of a cell, found without their names.

  z_t = W s(h_{t-1}) + d(x_t),   d(x) = U x + b                                  (1)

W is what the cell declares. U and b are those of its drive where that is affine in x, however many
parameters they are made of.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics
from rnnjax.types import Array, Params


class Weights(NamedTuple):
    """Equation (1).

    Attributes:
      W: (n_z, n_s).
      U: (n_z, n_x).
      b: (n_z,).
    """

    W: Array
    U: Array
    b: Array


def weights(cell: Any, params: Params, x: Array) -> Weights:
    """Return the weights of a cell whose drive is affine; only the shape of x, (n_x,), matters."""
    rest = jnp.zeros_like(x)

    def by_input(direction: Array) -> Array:
        return jax.jvp(lambda x: cell.drive(params, x), (rest,), (direction,))[1]

    columns = jax.vmap(by_input)(jnp.eye(x.size, dtype=x.dtype))
    return Weights(cell.recurrent_weights(params), columns.T, cell.drive(params, rest))


def is_affine(cell: Any, params: Params, x: Array) -> bool:
    """Return whether the drive is affine in its input; only the shape of x, (n_x,), matters."""
    return dynamics.is_affine(lambda x: cell.drive(params, x), x)
