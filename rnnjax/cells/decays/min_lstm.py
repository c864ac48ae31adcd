"""minLSTM: an LSTM whose gates and candidate do not read the state, and whose gates sum to 1.

  f_t = s(W_f x_t + b_f),  i_t = s(W_i x_t + b_i),  c_t = W_c x_t + b_c          (1)
  f'_t = f_t / (f_t + i_t),  i'_t = i_t / (f_t + i_t)                            (2)
  h_t = f'_t h_{t-1} + i'_t c_t                                                  (3)
  y_t = V h_t + c                                                                (4)
  J_t = diag(f'_t), whatever the state, and f'_t < 1 / (1 + i_t)                 (5)

with s the logistic function. By (5) no forget bias alone gives a long memory: at i = 1/2 less than
2/3 is kept at every step, a half-life below 1.71 steps. What is to be kept for long needs a closed
input gate, or no (2), which is h_t = f_t h_{t-1} + i_t c_t: `normalised`.

Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, Were RNNs all we needed?, 2024, arXiv 2410.01201.
Their code passes the candidate through g of `rnnjax.cells.decays.min_gru`: `positive`.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.cells.decays import min_gru
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class MinLSTMParams(NamedTuple):
    """h' = f' h + i' c,  y = V h + c.

    Attributes:
      U: input weights of forget gate, input gate and candidate, (3 n_h, n_x).
      b: their biases, (3 n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class MinLSTM:
    """minLSTM, equations (1) to (4).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      forget_bias: initial bias of the forget gate, () or (n_h,).
      input_bias: initial bias of the input gate, () or (n_h,).
      normalised: whether equation (2) holds; else f' = f and i' = i.
      positive: whether the candidate is g(c), as in the code of the authors.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)
    input_bias: Array | float = fields.number(default=0.0)
    normalised: bool = fields.flag(default=True)
    positive: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout
    advance = linear.advance
    linearize = linear.linearize
    transition = linear.transition

    @arguments(key=KEY)
    def init(self, key: Array) -> MinLSTMParams:
        """Draw parameters; the biases of the candidate and of the readout are 0."""
        n = self.n_h
        U, V = initial_weights.normals(key, (3 * n, self.n_x), (self.n_y, n))
        b = jnp.zeros(3 * n).at[:n].set(self.forget_bias).at[n : 2 * n].set(self.input_bias)
        return MinLSTMParams(
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=b,
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def log_decay(self, params: MinLSTMParams, d: Array) -> Array:
        """Return ln f'_t, (n_h,)."""
        return jax.nn.log_sigmoid(self._logits(d)[0])

    def decay(self, params: MinLSTMParams, d: Array) -> Array:
        """Return f'_t, (n_h,)."""
        return slopes.logistic(self._logits(d)[0])

    def entering(self, params: MinLSTMParams, d: Array) -> Array:
        """Return i'_t c_t, (n_h,), or i'_t g(c_t)."""
        candidate = d[2 * self.n_h :]
        share = slopes.logistic(self._logits(d)[1])
        return share * (min_gru.g(candidate) if self.positive else candidate)

    def _logits(self, d: Array) -> tuple[Array, Array]:
        """Return the logits of f' and i', (n_h,) each: by (2) ln f - ln i and its negative."""
        f, i, _ = jnp.split(d, 3)
        if not self.normalised:
            return f, i
        logit = jax.nn.softplus(-i) - jax.nn.softplus(-f)
        return logit, -logit
