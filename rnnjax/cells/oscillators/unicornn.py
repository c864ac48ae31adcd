"""UnICORNN: undamped oscillators that do not hear one another, each with a step of its own.

With a position y and a velocity v of every unit (the paper's y and z),
  a = dt s(r)                                                                    (1)
  v_t = v_{t-1} - a (tanh(w y_{t-1} + U x_t + b) + alpha y_{t-1})                (2)
  y_t = y_{t-1} + a v_t                                                          (3)
  output V y_t + c                                                               (4)
  J_t of a unit = [[1 - a^2 p, a], [-a p, 1]],   p = w tanh' + alpha             (5)

with s the logistic function. Equation (5) has determinant 1 whatever the state and input: every
step keeps areas in the plane of a unit, whose two exponents are a +- pair.

Rusch and Mishra, UnICORNN: a recurrent model for learning very long time dependencies, ICML 2021,
arXiv 2103.05487. w, r (the paper's c), U and b start as in their code: w ~ U(0, 1),
r ~ U(-0.1, 0.1), U_ij ~ U(-k, k) with k = sqrt(6 / (65 n_x)), b = 0. dt and alpha are by default
theirs for permuted sequential MNIST, in three layers; for IMDB they took 0.205 and 0.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import tanh
from rnnjax.types import Array

_SPREAD_OF_RATES = 0.1
_INPUT_VARIANCE = 2 / 65  # times n_x: He's 2 behind a leaky relu of slope 8, 1 + 8^2 = 65


class UnICORNNParams(NamedTuple):
    """v' = v - dt s(r) (tanh(w y + U x + b) + alpha y),  y' = y + dt s(r) v',  output V y + c.

    Attributes:
      w: weight of each unit onto itself, (n,).
      r: logit of the part of dt that a unit's step takes, (n,).
      U: input weights, (n, n_x).
      b: bias, (n,).
      V: readout weights, (n_y, n).
      c: readout bias, (n_y,).
    """

    w: Array
    r: Array
    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class UnICORNN:
    """Undamped oscillators, equations (1) to (4); the state is [y, v], n_h = 2 n_units.

    Attributes:
      n_x: inputs.
      n_units: oscillators.
      n_y: outputs.
      gain: w ~ gain U(0, 1).
      input_gain: factor of the initial U.
      dt: the longest step of a unit.
      alpha: square of the frequency of an oscillator by itself, () or (n_units,).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    dt: Array | float = fields.number(default=0.19, above=0)
    alpha: Array | float = fields.number(default=30.65, at_least=0)
    traits = Traits(entries_per_unit=2)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive

    @property
    def n_h(self) -> int:
        """State entries: y and v."""
        return 2 * self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> UnICORNNParams:
        """Draw parameters; biases are 0."""
        n, n_x = self.n_units, self.n_x
        of_units, of_readout = jax.random.split(key)
        uniform = jax.random.uniform(of_units, (2 + n_x, n), minval=-1, maxval=1)
        (V,) = initial_weights.normals(of_readout, (self.n_y, n))
        return UnICORNNParams(
            w=self.gain * (1 + uniform[0]) / 2,
            r=_SPREAD_OF_RATES * uniform[1],
            U=self.input_gain * math.sqrt(3 * _INPUT_VARIANCE / n_x) * uniform[2:].T,
            b=jnp.zeros(n),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def readout(self, params: UnICORNNParams, h: Array) -> Array:
        """Return V y + c, (n_y,), equation (4)."""
        return matvec(params.V, h[: self.n_units]) + params.c

    def output(self, params: UnICORNNParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: the positions, (n_units,)."""
        return h[: self.n_units]

    def advance(self, params: UnICORNNParams, h: Array, d: Array) -> Array:
        """Return [y_t, v_t], equations (1) to (3), from [y_{t-1}, v_{t-1}] and U x_t + b."""
        y, v = jnp.split(h, 2)
        # The derivative of s(r) itself, s (1 - s), is 0 in float32 from r = 17.
        a = self.dt * jnp.exp(jax.nn.log_sigmoid(params.r))
        v = v - a * (tanh(params.w * y + d) + self.alpha * y)
        return jnp.concatenate([y + a * v, v])
