"""The one-neuron chain.

  h_t = f(w_x x_t + w_n h_{t-1})                    (1)
  y_t = w_3 h_t                                     (2)
  dh_T/dh_{T-k} = w_n^k prod f'(z_t)                (3)

Its input may have several entries: with inputs x_t e_t (the t-th unit vector) every step has an
input weight of its own, as in y = w_3 f(4 w_2 + w_n f(2 w_1)).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnjax import activations, fields
from rnnjax.activations import Activation, scaled_slope, with_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.ranges import KEY, arguments
from rnnjax.tangents import Diagonal
from rnnjax.types import Array, Point


class ChainParams(NamedTuple):
    """h' = f(w_x x + w_n h),  y = w_3 h.

    Attributes:
      w_n: recurrent weight, ().
      w_x: input weights, (n_x,).
      w_3: output weight, ().
    """

    w_n: Array
    w_x: Array
    w_3: Array

    @staticmethod
    def unit_axis() -> dict[str, int | None]:
        """Return that all of w_x is one unit's."""
        return {"w_x": None}


@fields.dataclass
class Chain:
    """A single recurrent neuron without biases, equations (1) and (2).

    Attributes:
      n_x: inputs.
      activation: f.
      gain: the initial w_n, exactly.
    """

    n_x: int = fields.count(default=1)
    activation: Activation = activations.field(default=activations.identity)
    gain: Array | float = fields.number(default=1.0)
    n_h = 1
    n_y = 1

    initial_state = parts.initial_state
    step = parts.step

    @arguments(key=KEY)
    def init(self, key: Array) -> ChainParams:
        """Draw w_x and w_3 ~ N(0, 1); w_n is the gain."""
        w_x, w_3 = initial_weights.normals(key, (self.n_x,), ())
        return ChainParams(w_n=jnp.asarray(self.gain, w_x.dtype), w_x=w_x, w_3=w_3)

    def readout(self, params: ChainParams, h: Array) -> Array:
        """Return y_t, equation (2)."""
        return params.w_3 * h

    @property
    def traits(self) -> Traits:
        """What the activation says of the step."""
        return Traits(homogeneous=self.activation.homogeneous)

    def drive(self, params: ChainParams, x: Array) -> Array:
        """Return w_x x, (1,)."""
        return (params.w_x @ x)[None]

    def recurrent_weights(self, params: ChainParams) -> Array:
        """Return w_n, (1, 1)."""
        return params.w_n[None, None]

    def presynaptic(self, h: Array) -> Array:
        """Return h_{t-1}."""
        return h

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return h_t, equation (1)."""
        return with_slope(self.activation, z)

    def linearize(self, params: ChainParams, at: Point, *, by_row: bool = False) -> Diagonal:
        """Return the derivative of a step, equation (3), accurate under saturation."""
        z: Any = at.preactivation
        slopes, exponent = scaled_slope(self.activation, z)
        return Diagonal(params.w_n[None], slopes, exponent)
