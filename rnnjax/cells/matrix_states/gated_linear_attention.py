"""Gated linear attention: a matrix of keys and values, decaying row by row as the input says.

  q_t, k_t, v_t = W x_t,   g_t = W_2 W_1 x_t + b                                 (1)
  S_t = diag(a_t) S_{t-1} + k_t v_t^T,   a_t = s(g_t)^(1/tau)                    (2)
  y_t = V o_t + c,   o_t = S_t^T q_t / sqrt(n)                                   (3)
  J_t = a_t by rows of S, each n times                                           (4)

with s the logistic function, the temperature tau = 16 and a gate of low rank, 16. Yang, Wang, Shen,
Panda and Kim, Gated linear attention transformers with hardware-efficient training, ICML 2024.
Heads are independent copies; this is one of them. The norm and the gate behind o are left to the
network around.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class GatedLinearAttentionParams(NamedTuple):
    """S' = diag(a) S + k v^T,  y = V S^T q + c.

    Attributes:
      U: weights of q, k and v, (3 n_units, n_x).
      W_1: weights of the gate's inner units, (rank, n_x).
      W_2: weights from these, (n_units, rank).
      b: bias of the gate, (n_units,).
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    W_1: Array
    W_2: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class GatedLinearAttention:
    """One head, equations (1) to (4); the state is [S, q], n_h = n_units (n_units + 1).

    Attributes:
      n_x: inputs.
      n_units: entries of a key and of a value, n.
      n_y: outputs.
      rank: of the weights of the gate.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      gate_gain: the initial W_2, as N(0, 1/rank), times this.
      forget_bias: initial b, () or (n_units,): at 0, without inputs, rows keep 0.9576 a step.
      temperature: tau.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    rank: int = fields.count(default=16)
    input_gain: Array | float = fields.number(default=1.0)
    gate_gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)
    temperature: Array | float = fields.number(default=16.0, above=0)

    initial_state = parts.initial_state
    step = parts.step
    output = matrix_memory.output
    readout = matrix_memory.readout
    advance = linear.advance
    linearize = linear.linearize
    transition = linear.transition

    n_h = property(matrix_memory.n_h)
    memory_shape = property(matrix_memory.memory_shape)
    traits = property(matrix_memory.traits)

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedLinearAttentionParams:
        """Draw parameters."""
        n, n_x, rank = self.n_units, self.n_x, self.rank
        U, W_1, W_2, V = initial_weights.normals(
            key, (3 * n, n_x), (rank, n_x), (n, rank), (self.n_y, n)
        )
        return GatedLinearAttentionParams(
            U=self.input_gain * U / math.sqrt(n_x),
            W_1=W_1 / math.sqrt(n_x),
            W_2=self.gate_gain * W_2 / math.sqrt(rank),
            b=jnp.zeros(n) + self.forget_bias,
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def drive(self, params: GatedLinearAttentionParams, x: Array) -> Array:
        """Return q, k, v and g, (4 n_units,)."""
        logit = matvec(params.W_2, matvec(params.W_1, x)) + params.b
        return jnp.concatenate([matvec(params.U, x), logit])

    def log_decay(self, params: GatedLinearAttentionParams, d: Array) -> Array:
        """Return ln a_t, (n_units, 1), a row's one for each entry of the keys."""
        return -jax.nn.softplus(-d[3 * self.n_units :, None]) / self.temperature

    def entering(self, params: GatedLinearAttentionParams, d: Array) -> Array:
        """Return k v^T, (n_units, n_units)."""
        _, k, v, _ = jnp.split(d, 4)
        return jnp.outer(k, v)

    def beside(self, params: GatedLinearAttentionParams, d: Array) -> Array:
        """Return q / sqrt(n), (n_units,)."""
        return d[: self.n_units] / math.sqrt(self.n_units)
