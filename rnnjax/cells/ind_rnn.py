"""IndRNN: units that read their own state alone.

  z_t = w * h_{t-1} + U x_t + b                                                  (1)
  h_t = f(z_t)                                                                   (2)
  y_t = V h_t + c                                                                (3)
  J_t = diag(f'(z_t)) diag(w)                                                    (4)

with * elementwise. A relu unit that stays active multiplies what it holds by w^k in k steps. With
|w| <= a^(1/T) nothing grows by more than a factor a in T steps:

  w ~ U(a_low^(1/T), a^(1/T))                                                    (5)

Li, Li, Cook, Zhu and Gao, Independently recurrent neural network (IndRNN), CVPR 2018, arXiv
1803.04831: a = 2, with a_low = 0 in all layers but the last, where it is 1/2. Later code of the
authors has a = 5, and may clip w to (5) after every update, which is left to the training loop.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import activations, fields
from rnnjax.activations import Activation, graded_slope, scaled_slope, with_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.tangents import Diagonal
from rnnjax.types import Array, Point


class IndRNNParams(NamedTuple):
    """h' = f(w * h + U x + b),  y = V h + c.

    Attributes:
      w: recurrent weights, (n_h,).
      U: input weights, (n_h, n_x).
      b: bias, (n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    w: Array
    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class IndRNN:
    """Independently recurrent units, equations (1) to (4).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      activation: f.
      gain: factor of the initial w.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      n_steps: T of equation (5), steps, > 0.
      most: a, the largest factor in that time at the start, > 0.
      least: a_low, the smallest one, not above `most`.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    activation: Activation = activations.field(default=activations.relu)
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    n_steps: Array | float = fields.number(default=100.0, above=0)
    most: Array | float = fields.number(default=2.0, above=0)
    least: Array | float = fields.number(default=0.0, at_least=0)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout

    def __post_init__(self) -> None:
        ends = (self.least, self.most)
        if all(isinstance(a, (int, float)) for a in ends) and self.least > self.most:
            raise refusal("least", f"at most the field most, {self.most}", self.least)

    @arguments(key=KEY)
    def init(self, key: Array) -> IndRNNParams:
        """Draw parameters, w by equation (5); biases are 0."""
        key_w, key_io = jax.random.split(key)
        U, V = initial_weights.normals(key_io, (self.n_h, self.n_x), (self.n_y, self.n_h))
        low, high = (jnp.asarray(a) ** (1 / self.n_steps) for a in (self.least, self.most))
        u = jax.random.uniform(key_w, (self.n_h,))
        return IndRNNParams(
            w=self.gain * (low + (high - low) * u),
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=jnp.zeros(self.n_h),
            V=V / math.sqrt(self.n_h),
            c=jnp.zeros(self.n_y),
        )

    @property
    def traits(self) -> Traits:
        """What the activation says of the step."""
        return Traits(homogeneous=self.activation.homogeneous, bounded=self.activation.bounded)

    def advance(self, params: IndRNNParams, h: Array, d: Array) -> Array:
        """Return h_t, equation (2), from h_{t-1} and the drive."""
        return with_slope(self.activation, params.w * h + d)

    def linearize(self, params: IndRNNParams, at: Point, *, by_row: bool = False) -> Diagonal:
        """Return J_t, equation (4), accurate under saturation."""
        graded = graded_slope if by_row else scaled_slope
        return Diagonal(params.w, *graded(self.activation, params.w * at.h + at.drive))
