"""minimalRNN: one gate between what the network holds and a candidate of the input alone.

With s the logistic function,

  z_t = f(U x_t + b_z)                                                           (1)
  a_t = W h_{t-1} + G z_t + b                                                    (2)
  h_t = s(a_t) h_{t-1} + (1 - s(a_t)) z_t                                        (3)
  y_t = V h_t + c                                                                (4)
  J_t = diag(s(a_t)) + diag(s'(a_t) (h_{t-1} - z_t)) W                           (5)

Chen, MinimalRNN: Toward more interpretable and trainable recurrent neural networks, 2017, arXiv
1711.06788. `rnnjax.theory.minimal_rnn` has the mean field of wide networks.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import activations, fields
from rnnjax.activations import Activation, with_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import logistic
from rnnjax.types import Array


class MinimalRNNParams(NamedTuple):
    """z = f(U x + b_z),  a = W h + G z + b,  h' = s(a) h + (1 - s(a)) z,  y = V h + c.

    Attributes:
      U: input weights, (n_h, n_x).
      b_z: bias of the candidate, (n_h,).
      W: weights of the gate on the state, (n_h, n_h).
      G: its weights on the candidate, (n_h, n_h).
      b: its bias, (n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    U: Array
    b_z: Array
    W: Array
    G: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class MinimalRNN:
    """minimalRNN, equations (1) to (5).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      activation: f.
      recurrent: (key, n_h) -> initial W / gain.
      gain: factor of the initial W, sigma_w of the mean field with Gaussian weights.
      candidate_gain: G_ij ~ candidate_gain N(0, 1/n_h), sigma_v of the mean field.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      forget_bias: initial b, the logit of what is kept, () or (n_h,).
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    activation: Activation = activations.field(default=activations.tanh)
    recurrent: Callable[[Array, int], Array] = fields.function(
        default=initial_weights.gaussian, form="(key, n_h) -> (n_h, n_h)"
    )
    gain: Array | float = fields.number(default=1.0)
    candidate_gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)

    initial_state = parts.initial_state
    step = parts.step
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> MinimalRNNParams:
        """Draw parameters; biases but for that of the gate are 0."""
        n = self.n_h
        key_w, key_io = jax.random.split(key)
        G, U, V = initial_weights.normals(key_io, (n, n), (n, self.n_x), (self.n_y, n))
        return MinimalRNNParams(
            U=self.input_gain * U / math.sqrt(self.n_x),
            b_z=jnp.zeros(n),
            W=self.gain * self.recurrent(key_w, n),
            G=self.candidate_gain * G / math.sqrt(n),
            b=jnp.zeros(n).at[:].set(self.forget_bias),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    @property
    def traits(self) -> Traits:
        """A state between its past and the candidate has the bound of the candidate."""
        return Traits(bounded=self.activation.bounded)

    def drive(self, params: MinimalRNNParams, x: Array) -> Array:
        """Return [G z + b, z], (2 n_h,)."""
        z = with_slope(self.activation, matvec(params.U, x) + params.b_z)
        return jnp.concatenate([matvec(params.G, z) + params.b, z])

    def recurrent_weights(self, params: MinimalRNNParams) -> Array:
        """Return [W; 0], (2 n_h, n_h): the candidate does not read the state."""
        return jnp.concatenate([params.W, jnp.zeros_like(params.W)])

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through W: their state."""
        return h

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return h_t, equation (3), from h_{t-1} and [a_t, z_t]."""
        a, candidate = jnp.split(z, 2)
        # From the side of the larger share: neither 1 - s(a) nor the slope of s cancels.
        is_open = a > 0
        share = logistic(jnp.where(is_open, -a, a))
        near, far = jnp.where(is_open, h, candidate), jnp.where(is_open, candidate, h)
        return near + share * (far - near)
