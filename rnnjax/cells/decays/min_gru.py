"""minGRU: a GRU whose gate and candidate do not read the state.

  z_t = s(W_z x_t + b_z),  c_t = W_c x_t + b_c                                   (1)
  h_t = (1 - z_t) h_{t-1} + z_t c_t                                              (2)
  y_t = V h_t + c                                                                (3)
  J_t = diag(1 - z_t), whatever the state                                        (4)

with s the logistic function. Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, Were RNNs all we
needed?, 2024, arXiv 2410.01201. Their code passes the candidate through g(c) = c + 1/2 for c >= 0
and s(c) below, which keeps the state positive for a scan of logarithms: `positive`.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class MinGRUParams(NamedTuple):
    """h' = (1 - z) h + z c,  y = V h + c.

    Attributes:
      U: input weights of gate and candidate, (2 n_h, n_x).
      b: their biases, (2 n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class MinGRU:
    """minGRU, equations (1) to (3).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      forget_bias: minus the initial bias of the gate z: the logit of what is kept, () or (n_h,).
      positive: whether the candidate is g(c), as in the code of the authors.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)
    positive: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout
    advance = linear.advance
    linearize = linear.linearize
    transition = linear.transition

    @arguments(key=KEY)
    def init(self, key: Array) -> MinGRUParams:
        """Draw parameters; biases but for that of the gate are 0."""
        n = self.n_h
        U, V = initial_weights.normals(key, (2 * n, self.n_x), (self.n_y, n))
        return MinGRUParams(
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=jnp.zeros(2 * n).at[:n].set(-self.forget_bias),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def log_decay(self, params: MinGRUParams, d: Array) -> Array:
        """Return ln(1 - z_t), (n_h,)."""
        return -jax.nn.softplus(d[: self.n_h])

    def decay(self, params: MinGRUParams, d: Array) -> Array:
        """Return 1 - z_t = s(-z), (n_h,)."""
        return slopes.logistic(-d[: self.n_h])

    def entering(self, params: MinGRUParams, d: Array) -> Array:
        """Return z_t c_t, (n_h,), or z_t g(c_t)."""
        z, candidate = jnp.split(d, 2)
        return slopes.logistic(z) * (g(candidate) if self.positive else candidate)


def g(c: Array) -> Array:
    """Return the positive candidate, c + 1/2 for c >= 0 and s(c) below.

    It is continuous; its slope is 1 for c >= 0, and 1/4 just below.
    """
    return jnp.where(c >= 0, c + 0.5, slopes.logistic(jnp.minimum(c, 0)))
