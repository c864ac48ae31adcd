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
from rnnjax.activations import Activation, graded_slope, scaled_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


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
    def homogeneous(self) -> bool:
        """Whether the step is positively homogeneous in state and drive."""
        return self.activation.homogeneous

    @property
    def finite_outputs(self) -> bool:
        """Whether no state leaves the range of its dtype."""
        return self.activation.bounded

    def advance(self, params: VanillaParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        return self.from_sum(h, self.sent(h) @ params.W.T + d)

    def sent(self, h: Array) -> Array:
        """Return what the units send one another through W: their state."""
        return h

    def from_sum(self, h: Array, z: Array) -> Array:
        """Return h_t, equation (2), from h_{t-1} and the sums z_t."""
        f = self.activation(z)
        return self.leak * f + (1 - self.leak) * h if self._may_leak else f

    def local(self, params: VanillaParams, h: Array, d: Array) -> tuple[Any, Array]:
        """Return the slopes of equation (4) and the exponent of the Jacobian."""
        return self.local_of_sum(params, h @ params.W.T + d)

    def local_of_sum(self, params: VanillaParams, z: Array) -> tuple[Any, Array]:
        """Return the same from the sums z_t."""
        slope, exponent = scaled_slope(self.activation, z)
        if not self._may_leak:
            return slope, exponent
        # Beside (1 - a) I slopes below rounding do not matter, so no exponent is taken out.
        leaky = self.leak != 1
        slope = self.leak * jnp.where(leaky, self.activation.slope(z), slope)
        return slope, jnp.where(leaky, 0, exponent)

    def graded_local(self, params: VanillaParams, h: Array, d: Array) -> tuple[Any, Array]:
        """Return the slopes of equation (4), and an exponent for each."""
        z = h @ params.W.T + d
        slope, exponent = graded_slope(self.activation, z)
        if not self._may_leak:
            return slope, exponent
        leaky = self.leak != 1
        slope = self.leak * jnp.where(leaky, self.activation.slope(z), slope)
        return slope, jnp.where(leaky, 0, exponent)

    def state_slope(self, params: VanillaParams, h: Array, d: Array) -> Array:
        """Return f' of the units, (n_h,): the slope of the state where nothing leaks."""
        return self.activation.slope(h @ params.W.T + d)

    def push(self, params: VanillaParams, slope: Array, v: Array) -> Array:
        """Return J_t v, equation (4)."""
        return self._beside_leak(v, slope * (v @ params.W.T))

    def push_columns(self, params: VanillaParams, slope: Array, M: Array) -> Array:
        """Return J_t M."""
        return self._beside_leak(M, slope[:, None] * (params.W @ M))

    def pull(self, params: VanillaParams, slope: Array, v: Array) -> Array:
        """Return J_t^T v, equation (4)."""
        return self._beside_leak(v, self.to_sum(params, slope, v) @ params.W)

    def to_sum(self, params: VanillaParams, slope: Array, v: Array) -> Array:
        """Return (dh_t/dz_t)^T v."""
        return slope * v

    def jacobian(self, params: VanillaParams, slope: Array) -> Array:
        """Return J_t, (n_h, n_h), equation (4)."""
        return self._beside_leak(jnp.eye(self.n_h, dtype=slope.dtype), slope[:, None] * params.W)

    @property
    def _may_leak(self) -> bool:
        """Whether a is anything but a plain 1."""
        return not (isinstance(self.leak, (int, float)) and self.leak == 1)

    def _beside_leak(self, v: Array, new: Array) -> Array:
        """Return (1 - a) v + new."""
        return (1 - self.leak) * v + new if self._may_leak else new
