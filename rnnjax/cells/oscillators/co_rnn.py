"""coRNN: a network of coupled, damped and driven oscillators.

With a position y and a velocity v of every unit (the paper's y and z),
  z_t = W [y_{t-1}, v_{t-1}] + U x_t + b                                         (1)
  v_t = v_{t-1} + dt (tanh(z_t) - gamma y_{t-1} - epsilon v_{t-1})               (2)
  y_t = y_{t-1} + dt v_t                                                         (3)
  output V y_t + c                                                               (4)
  det J_t = det((1 - epsilon dt) I + dt diag(tanh'(z_t)) W_v)                    (5)

W_v being the columns of W that read velocities. Without them (`velocity_coupling`) equation (5) is
(1 - epsilon dt)^n at every step, state and input, and the sum of all exponents is known beforehand.
With `implicit`, the damping in equation (2) is by v_t instead of v_{t-1}: v_t is divided by
1 + epsilon dt, and v_{t-1} has no factor.

Rusch and Mishra, Coupled oscillatory recurrent neural network (coRNN), ICLR 2021, arXiv 2010.00951.
Their code is equations (1) to (3). dt, gamma and epsilon are by default theirs for sequential
MNIST; for the adding problem they took 0.06, 66 and 15. Weights of their code start as the linear
layers of its framework do, here as N(0, 1/fan-in).
"""

import math
from typing import NamedTuple

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import tanh
from rnnjax.types import Array


class CoRNNParams(NamedTuple):
    """z = W [y, v] + U x + b, output V y + c.

    Attributes:
      W: recurrent weights of positions and, behind them, velocities, (n, 2 n); (n, n) without the
        coupling by velocities.
      U: input weights, (n, n_x).
      b: bias, (n,).
      V: readout weights, (n_y, n).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class CoRNN:
    """Coupled oscillators, equations (1) to (4); the state is [y, v], n_h = 2 n_units.

    Attributes:
      n_x: inputs.
      n_units: oscillators.
      n_y: outputs.
      gain: W_ij ~ gain N(0, 1/columns of W).
      dt: the time of a step.
      gamma: square of the frequency of an oscillator by itself, () or (n_units,).
      epsilon: damping, () or (n_units,).
      velocity_coupling: whether W reads velocities too, as published.
      implicit: whether damping is by the new velocity.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    dt: Array | float = fields.number(default=0.042, above=0)
    gamma: Array | float = fields.number(default=2.7, at_least=0)
    epsilon: Array | float = fields.number(default=4.7, at_least=0)
    velocity_coupling: bool = fields.flag(default=True)
    implicit: bool = fields.flag(default=False)
    traits = Traits(entries_per_unit=2)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = parts.recurrent_weights

    @property
    def n_h(self) -> int:
        """State entries: y and v."""
        return 2 * self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> CoRNNParams:
        """Draw parameters; biases are 0."""
        n = self.n_units
        n_read = self.n_h if self.velocity_coupling else n
        W, U, V = initial_weights.normals(key, (n, n_read), (n, self.n_x), (self.n_y, n))
        return CoRNNParams(
            W=self.gain * W / math.sqrt(n_read),
            U=U / math.sqrt(self.n_x),
            b=jnp.zeros(n),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def readout(self, params: CoRNNParams, h: Array) -> Array:
        """Return V y + c, (n_y,), equation (4)."""
        return matvec(params.V, h[: self.n_units]) + params.c

    def output(self, params: CoRNNParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: the positions, (n_units,)."""
        return h[: self.n_units]

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through W: [y, v], or y alone."""
        return h if self.velocity_coupling else h[: self.n_units]

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return [y_t, v_t], equations (2) and (3), from [y_{t-1}, v_{t-1}] and z_t."""
        y, v = jnp.split(h, 2)
        pushed = self.dt * (tanh(z) - self.gamma * y)
        damping = self.epsilon * self.dt
        v = (v + pushed) / (1 + damping) if self.implicit else (1 - damping) * v + pushed
        return jnp.concatenate([y + self.dt * v, v])
