"""DeltaNet: a matrix of keys and values in which what is written replaces what was said of the key.

  q_t = u(W_q x_t),  k_t = u(W_k x_t),  v_t = silu(W_v x_t),  u(z) = silu(z) / |silu(z)|    (1)
  S_t = (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T                                   (2)
  beta_t = s(W_beta x_t), or 2 s(W_beta x_t)                                                (3)
  y_t = V o_t + c,   o_t = S_t^T q_t                                                        (4)
  eigenvalues of J_t: 1 - beta_t once and 1 otherwise, each n times                         (5)

with s the logistic function. With the 2 in equation (3) eigenvalues may be negative, down to -1.
Yang, Wang, Zhang, Shen and Kim, Parallelizing linear transformers with the delta rule over sequence
length, NeurIPS 2024; the 2: Grazzi, Siems, Zela, Franke, Hutter and Pontil, Unlocking
state-tracking in linear RNNs through negative eigenvalues, ICLR 2025. Heads are independent copies;
this is one of them. |k| is 1 exactly (fast code adds a small number to its square). Short
convolutions before equation (1) and the norm behind o are left to the network around.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class DeltaNetParams(NamedTuple):
    """S' = (I - beta k k^T) S + beta k v^T,  y = V S^T q + c.

    Attributes:
      U: weights of q, k and v, (3 n_units, n_x).
      W_beta: weights of the logit of beta, (1, n_x).
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    W_beta: Array
    V: Array
    c: Array


@fields.dataclass
class DeltaNet:
    """One head, equations (1) to (5); the state is [S, q], n_h = n_units (n_units + 1).

    Attributes:
      n_x: inputs.
      n_units: entries of a key and of a value, n.
      n_y: outputs.
      input_gain: U_ij, W_beta ~ input_gain N(0, 1/n_x).
      negative: whether beta is 2 s(.), so that 1 - beta lies in (-1, 1), not in (0, 1).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    negative: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    output = matrix_memory.output
    readout = matrix_memory.readout
    advance = matrix_memory.delta_rule
    linearize = matrix_memory.linearize
    transition = matrix_memory.transition
    kept = matrix_memory.kept

    n_h = property(matrix_memory.n_h)
    memory_shape = property(matrix_memory.memory_shape)
    traits = property(matrix_memory.traits)

    @arguments(key=KEY)
    def init(self, key: Array) -> DeltaNetParams:
        """Draw parameters."""
        n, n_x = self.n_units, self.n_x
        U, W_beta, V = initial_weights.normals(key, (3 * n, n_x), (1, n_x), (self.n_y, n))
        gain = self.input_gain / math.sqrt(n_x)
        return DeltaNetParams(gain * U, gain * W_beta, V / math.sqrt(n), jnp.zeros(self.n_y))

    def drive(self, params: DeltaNetParams, x: Array) -> Array:
        """Return what is in equation (1) and (3) before any function, (3 n_units + 1,)."""
        return jnp.concatenate([matvec(params.U, x), matvec(params.W_beta, x)])

    def reflection(self, params: DeltaNetParams, d: Array) -> tuple[Array, Array, Array]:
        """Return the log of the decay, which is 0, beta () and k (n_units,)."""
        n = self.n_units
        k = matrix_memory.unit_vector(jax.nn.silu(d[n : 2 * n]))
        # No constant: a compiler leaves out a product by 1 and contracts another one in its place,
        # so that the last bits would differ from those of a `GatedDeltaNet` whose gate is 1.
        log_a = 0 * d[3 * n]
        return log_a, matrix_memory.strength(d[3 * n], self.negative), k

    def value(self, params: DeltaNetParams, d: Array) -> Array:
        """Return v, (n_units,)."""
        return jax.nn.silu(d[2 * self.n_units : 3 * self.n_units])

    def beside(self, params: DeltaNetParams, d: Array) -> Array:
        """Return q, (n_units,)."""
        return matrix_memory.unit_vector(jax.nn.silu(d[: self.n_units]))
