"""The antisymmetric RNN: Euler steps of a flow whose linear part has imaginary eigenvalues.

  A   = W - W^T - gamma I                                                        (1)
  h_t = h_{t-1} + eps f(A h_{t-1} + U x_t + b)                                   (2)
  h_t = h_{t-1} + eps s(A h_{t-1} + U_z x_t + b_z) * f(A h_{t-1} + U x_t + b)    (3)  `gated`
  y_t = V h_t + c                                                                (4)
  J_t = I + eps diag(f'(z_t)) A                                                  (5)   of (2)

with s the logistic function. With f(z) = z the Lyapunov exponents are those of one step,

  lambda = ln |1 - eps gamma + i eps omega|,   i omega an eigenvalue of W - W^T  (6)

of which none is above 0 where omega^2 <= gamma (2 / eps - gamma). At gamma = 0 all of them are
1/2 ln(1 + eps^2 omega^2) >= 0: an Euler step along a circle leaves it to the outside.

Chang, Chen, Haber and Chi, AntisymmetricRNN: A dynamical system view on recurrent neural networks,
ICLR 2019, arXiv 1902.09689, with W ~ N(0, sigma_w^2 / n), sigma_w up to 16, U ~ N(0, 1 / n_x) and
eps in {.01, .1, 1}. The edge of the spectrum is then at |omega| = 2 sqrt(2) sigma_w, n -> oo.
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
from rnnjax.slopes import logistic
from rnnjax.tangents import BehindPreactivation, Leaky
from rnnjax.types import Array, Point


class AntisymmetricParams(NamedTuple):
    """h' = h + eps f((W - W^T - gamma I) h + U x + b),  y = V h + c.

    Attributes:
      W: recurrent weights, of which only W - W^T acts, (n_h, n_h).
      U: input weights, (n_h, n_x); (2 n_h, n_x) with those of the gate in front.
      b: bias, (n_h,); (2 n_h,) likewise.
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class Antisymmetric:
    """Antisymmetric RNN, equations (1) to (5).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      activation: f.
      recurrent: (key, n_h) -> initial W / gain.
      gain: factor of the initial W, sigma_w with Gaussian weights.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      step_size: eps, > 0.
      damping: gamma, >= 0.
      gated: whether equation (3) takes the place of (2).
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
    step_size: Array | float = fields.number(default=0.1, above=0)
    damping: Array | float = fields.number(default=0.1, at_least=0)
    gated: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> AntisymmetricParams:
        """Draw parameters; biases are 0."""
        key_w, key_io = jax.random.split(key)
        n_z = (2 if self.gated else 1) * self.n_h
        U, V = initial_weights.normals(key_io, (n_z, self.n_x), (self.n_y, self.n_h))
        return AntisymmetricParams(
            W=self.gain * self.recurrent(key_w, self.n_h),
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=jnp.zeros(n_z),
            V=V / math.sqrt(self.n_h),
            c=jnp.zeros(self.n_y),
        )

    @property
    def traits(self) -> Traits:
        """What the activation says of the step; each moves the state by eps max |f| at most."""
        f = self.activation
        return Traits(homogeneous=f.homogeneous and not self.gated, bounded=f.bounded)

    def recurrent_weights(self, params: AntisymmetricParams) -> Array:
        """Return A, equation (1), or [A; A] with a gate, whose matrix is the same."""
        W = params.W
        A = W - W.T - self.damping * jnp.eye(len(W), dtype=W.dtype)
        return jnp.concatenate([A, A]) if self.gated else A

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through A: their state."""
        return h

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return h_t, equation (2) or (3), from h_{t-1} and z_t, (n_h,) or gate and z_t."""
        if not self.gated:
            return h + self.step_size * with_slope(self.activation, z)
        gate, z = jnp.split(z, 2)
        return h + self.step_size * logistic(gate) * with_slope(self.activation, z)

    def linearize(
        self, params: AntisymmetricParams, at: Point, *, by_row: bool = False
    ) -> Leaky | BehindPreactivation:
        """Return J_t, equation (5)."""
        A, z = self.recurrent_weights(params), at.preactivation
        given: Any = z
        if self.gated:
            return BehindPreactivation(self, A, at.h, given)
        # Beside the identity slopes below rounding do not matter, so no exponent is taken out.
        slopes = self.step_size * self.activation.slope(given)
        return Leaky(A, slopes, jnp.zeros((), jnp.int32), 1.0)
