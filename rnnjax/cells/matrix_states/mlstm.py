"""mLSTM: a matrix of keys and values, one decay for all of it, and an exponential input gate.

  q_t, k_t, v_t, o_t, i_t, f_t = U x_t + b,   k_t over sqrt(n)                   (1)
  C_t = e^log_f C_{t-1} + e^i v_t k_t^T,   n_t = e^log_f n_{t-1} + e^i k_t       (2)
  log_f = ln s(f_t), or f_t                                                      (3)
  g_t = s(o_t) C_t q_t / max(|n_t . q_t|, 1),   y_t = V g_t + c                  (4)
  J_t = e^log_f I on the n^2 + n entries of C and n                              (5)

with s the logistic function. Beck, Poeppel, Spanring, Auer, Prudnikova, Kopp, Klambauer,
Brandstetter and Hochreiter, xLSTM: extended long short-term memory, NeurIPS 2024. e^i may leave the
range of the dtype. Stabilised, the state has m_t, and e^-m_t C_t and e^-m_t n_t in place of C_t and
n_t:

  m_t = max(log_f + m_{t-1}, i_t)                                                (6)
  C_t = e^(log_f + m_{t-1} - m_t) C_{t-1} + e^(i - m_t) v_t k_t^T, n_t alike     (7)
  g_t = s(o_t) C_t q_t / max(|n_t . q_t|, e^-m_t)                                (8)

Outputs and gradients of parameters are those of equations (1) to (4). Jacobians are those of other
coordinates: growth over T steps is that of equation (2) times e^(m_0 - m_T), and m itself is
forgotten wherever i_t is the larger of the two. Published code differs in two ways, which are
fields: it adds 10^-6 to the denominator of equation (8) (`epsilon`), and some has 1 in place of
e^-m_t there (`floor_of_stabilised`); either makes outputs depend on m. Its gates read [q, k, v] in
place of x.

Heads are independent copies; this is one of them. Convolutions before equation (1), the norm and
what is behind g are left to the network around.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.dynamics import Traits
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.tangents import Autodiff, Decay
from rnnjax.types import Array, Point


class MLSTMParams(NamedTuple):
    """C' = f C + i v k^T,  n' = f n + i k,  y = V (s(o) C' q / max(|n' . q|, 1)) + c.

    Attributes:
      U: weights of q, k, v, o, i and f, (4 n_units + 2, n_x).
      b: their biases, (4 n_units + 2,).
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class MLSTM:
    """One head, equations (1) to (8); the state is [C, n, q, o], stabilised [C, n, m, q, o].

    n_h = n_units (n_units + 3), and one more for m. C has a row for each entry of the values.

    Attributes:
      n_x: inputs.
      n_units: entries of a key and of a value, n.
      n_y: outputs.
      input_gain: U_ij ~ input_gain N(0, 1/n_x) for q, k, v and o.
      gate_gain: the same for i and f; published is 0.
      input_bias_gain: the initial bias of i ~ input_bias_gain N(0, 1).
      forget_bias: initial bias of f; published are 3 to 6, evenly over the heads.
      exponential_forget: whether log_f is f, the other gate of the paper, not ln s(f).
      stabilised: whether equations (6) to (8) are computed.
      epsilon: added to the denominator.
      floor_of_stabilised: whether equation (8) has 1 in place of e^-m.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    gate_gain: Array | float = fields.number(default=0.0)
    input_bias_gain: Array | float = fields.number(default=0.1)
    forget_bias: Array | float = fields.number(default=3.0)
    exponential_forget: bool = fields.flag(default=False)
    stabilised: bool = fields.flag(default=False)
    epsilon: Array | float = fields.number(default=0.0, at_least=0)
    floor_of_stabilised: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = matrix_memory.readout

    @property
    def n_h(self) -> int:
        """State entries: C, n, m where it is stabilised, q and o."""
        return self.n_units * (self.n_units + 3) + self.stabilised

    @property
    def memory_shape(self) -> tuple[int, int]:
        """Shape of [C, n]: values and a row for n, keys."""
        return self.n_units + 1, self.n_units

    @property
    def traits(self) -> Traits:
        """No later step reads q and o; m belongs to no unit."""
        m = None if self.stabilised else self.n_units + 3
        return Traits(entries_per_unit=m, n_unread=2 * self.n_units)

    @arguments(key=KEY)
    def init(self, key: Array) -> MLSTMParams:
        """Draw parameters."""
        n = self.n_units
        U, V, b_i = initial_weights.normals(key, (4 * n + 2, self.n_x), (self.n_y, n), ())
        gain = jnp.full((4 * n + 2, 1), self.input_gain).at[4 * n :].set(self.gate_gain)
        b = jnp.zeros(4 * n + 2).at[-2].set(self.input_bias_gain * b_i)
        return MLSTMParams(
            U=gain * U / math.sqrt(self.n_x),
            b=b.at[-1].set(self.forget_bias),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def log_decay(self, params: MLSTMParams, d: Array) -> Array:
        """Return log_f, (), equation (3)."""
        return d[-1] if self.exponential_forget else -jax.nn.softplus(-d[-1])

    def entering(self, params: MLSTMParams, d: Array) -> Array:
        """Return what equation (2) adds to C and, in the last row, to n, (n_units + 1, n_units)."""
        return jnp.exp(d[-2]) * self._pair(d)

    def beside(self, params: MLSTMParams, d: Array) -> Array:
        """Return q and s(o), (2 n_units,)."""
        n = self.n_units
        return jnp.concatenate([d[:n], slopes.logistic(d[3 * n : 4 * n])])

    def advance(self, params: MLSTMParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive, equation (2) or (6) and (7)."""
        if not self.stabilised:
            return linear.advance(self, params, h, d)
        parts.check_real(d, "with decays")
        log_f, log_i = self.log_decay(params, d) + self._m(h), d[-2]
        m = jnp.maximum(log_f, log_i)
        memory = jnp.exp(log_f - m) * linear.memory_of(self, h) + jnp.exp(log_i - m) * self._pair(d)
        return jnp.concatenate([memory.ravel(), m[None], self.beside(params, d)])

    def linearize(
        self, params: MLSTMParams, at: Point, *, by_row: bool = False
    ) -> Decay | Autodiff:
        """Return J_t, equation (5), or that of equations (6) and (7)."""
        if self.stabilised:
            return Autodiff(self, params, at.h, at.drive)
        return linear.linearize(self, params, at, by_row=by_row)

    def transition(self, params: MLSTMParams, d: Array) -> tuple[Array, Array]:
        """Return the factors of the entries of C and n, and what is added to them, as vectors.

        Raises:
          ValueError: the cell is stabilised, so that its step is not linear.
        """
        if self.stabilised:
            raise refusal("stabilised", "False, for a step that is linear in the state", True)
        return linear.transition(self, params, d)

    def output(self, params: MLSTMParams, h: Array) -> Array:
        """Return g_t, equation (4) or (8), (n_units,)."""
        n = self.n_units
        q, o = jnp.split(h[-2 * n :], 2)
        answers = linear.memory_of(self, h) @ q
        m = self._m(h) if self.stabilised else jnp.zeros((), h.dtype)
        # Numerator and denominator are multiplied by e^m where m < 0: e^-m could leave the range.
        scale = jnp.exp(jnp.minimum(jnp.zeros_like(m) if self.floor_of_stabilised else m, 0))
        floor = scale if self.floor_of_stabilised else jnp.exp(-jnp.maximum(m, 0))
        denominator = jnp.maximum(jnp.abs(answers[n]) * scale, floor) + self.epsilon * scale
        return o * answers[:n] * scale / denominator

    def _pair(self, d: Array) -> Array:
        """Return [v, 1] k^T, (n_units + 1, n_units): n is what stays of the value 1."""
        n = self.n_units
        k = d[n : 2 * n] / math.sqrt(n)
        return jnp.outer(jnp.append(d[2 * n : 3 * n], jnp.ones((), d.dtype)), k)

    def _m(self, h: Array) -> Array:
        return h[self.n_units * (self.n_units + 1)]
