"""The vanilla (Elman) network, with an optional leak.

  z_t = W h_{t-1} + U x_t + b                       (1)
  h_t = (1 - a) h_{t-1} + a f(z_t)                  (2)
  y_t = V h_t + c                                   (3)
  J_t = (1 - a) I + a diag(f'(z_t)) W               (4)

Elman, Finding structure in time, Cognitive Science, 1990. Without a leak a = 1.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import activations, fields
from rnnjax.activations import Activation, with_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.ranges import KEY, arguments
from rnnjax.tangents import Leaky, leaky
from rnnjax.types import Array, Point


class VanillaParams(NamedTuple):
    """h' = (1 - a) h + a f(W h + U x + b),  y = V h + c.

    Attributes:
      W: recurrent weights, (n_h, n_h).
      U: input weights, (n_h, n_x).
      b: bias, (n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class Vanilla:
    """A vanilla recurrent network, equations (1) to (4).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      activation: f.
      recurrent: (key, n_h) -> initial W / gain, see `rnnjax.cells.initial_weights`.
      gain: factor of the initial W; with Gaussian weights W_ij ~ gain N(0, 1/n_h).
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      readout_gain: V_ij ~ readout_gain N(0, 1/n_h).
      bias_gain: b_i ~ bias_gain N(0, 1).
      leak: a in (0, 1].
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    activation: Activation = activations.field(default=activations.tanh)
    recurrent: Callable[[Array, int], Array] = fields.function(
        default=initial_weights.gaussian, form="(key, n_h) -> (n_h, n_h)"
    )
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    readout_gain: Array | float = fields.number(default=1.0)
    bias_gain: Array | float = fields.number(default=0.0)
    leak: Array | float = fields.number(default=1.0, above=0, at_most=1)
    layers = (("b", ("W", "U", "b")), ("c", ("V", "c")))  # bias, parameters of its units

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = parts.recurrent_weights
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> VanillaParams:
        """Draw parameters; the readout's bias is 0."""
        key_w, key_io = jax.random.split(key)
        U, V, b = initial_weights.normals(
            key_io, (self.n_h, self.n_x), (self.n_y, self.n_h), (self.n_h,)
        )
        return VanillaParams(
            W=self.gain * self.recurrent(key_w, self.n_h),
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=self.bias_gain * b,
            V=self.readout_gain * V / math.sqrt(self.n_h),
            c=jnp.zeros(self.n_y),
        )

    @property
    def traits(self) -> Traits:
        """What the activation says of the step."""
        return Traits(homogeneous=self.activation.homogeneous, bounded=self.activation.bounded)

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through W: their state."""
        return h

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return h_t, equation (2), from h_{t-1} and z_t."""
        f = with_slope(self.activation, z)
        leaks = not (isinstance(self.leak, (int, float)) and self.leak == 1)
        return self.leak * f + (1 - self.leak) * h if leaks else f

    def linearize(self, params: VanillaParams, at: Point, *, by_row: bool = False) -> Leaky:
        """Return J_t, equation (4), accurate under saturation."""
        z: Any = at.preactivation
        return leaky(self.activation, params.W, z, self.leak, by_row=by_row)


def params_of_numbers(cell: Vanilla, numbers: Array) -> VanillaParams:
    """Cut parameters out of normal numbers, scaled as those of `init` by default; biases are 0.

    Programs for networks of several sizes that share their numbers need no generator of their own,
    which takes longer to compile than to run.

    Args:
      cell: the network.
      numbers: standard normal, (n_h, n_h + 2 n) with n at least n_x and n_y.
    """
    n_x, n_h, n_y = cell.n_x, cell.n_h, cell.n_y
    W, U, V = jnp.split(numbers, [n_h, n_h + numbers[:, n_h:].shape[1] // 2], axis=1)
    U, V = U[:, :n_x] / n_x**0.5, V[:, :n_y].T / n_h**0.5
    b, c = jnp.zeros(n_h), jnp.zeros(n_y)
    return VanillaParams(W=W / n_h**0.5, U=U, b=b, V=V, c=c)
