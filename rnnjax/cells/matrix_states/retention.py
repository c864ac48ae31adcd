"""Retention: a matrix of keys and values that decays at one fixed rate.

  q_t, k_t, v_t = W x_t                                                          (1)
  S_t = gamma S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t / sqrt(n)                   (2)
  gamma = 1 - 2^(-5 - i)                                                         (3)
  y_t = V o_t + c,   J_t = gamma I on the n^2 entries of S                       (4)

i = 0, 1, .. numbers the heads, which are independent copies; this is one of them. Sun et al.,
Retentive network: a successor to transformer for large language models, 2023, arXiv 2307.08621. The
rotation of q and k by their position, and the norm and the gate behind o, are left to the network
around.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class RetentionParams(NamedTuple):
    """S' = gamma S + k v^T,  y = V S^T q + c.

    Attributes:
      U: weights of q, k and v, (3 n_units, n_x).
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    V: Array
    c: Array


@fields.dataclass
class Retention:
    """One head, equations (1) to (4); the state is [S, q], n_h = n_units (n_units + 1).

    Attributes:
      n_x: inputs.
      n_units: entries of a key and of a value, n.
      n_y: outputs.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      head: i, which sets gamma, equation (3): half-lives of 21.8 steps for 0, 2839 for 7.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    head: Array | int = fields.whole(default=0, at_least=0)

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
    def init(self, key: Array) -> RetentionParams:
        """Draw parameters."""
        n = self.n_units
        U, V = initial_weights.normals(key, (3 * n, self.n_x), (self.n_y, n))
        return RetentionParams(
            U=self.input_gain * U / math.sqrt(self.n_x), V=V / math.sqrt(n), c=jnp.zeros(self.n_y)
        )

    def drive(self, params: RetentionParams, x: Array) -> Array:
        """Return q, k and v, (3 n_units,)."""
        return matvec(params.U, x)

    def log_decay(self, params: RetentionParams, d: Array) -> Array:
        """Return ln gamma, ()."""
        return jnp.log1p(-jnp.exp2(jnp.asarray(-5 - self.head, d.dtype)))

    def entering(self, params: RetentionParams, d: Array) -> Array:
        """Return k v^T, (n_units, n_units)."""
        _, k, v = jnp.split(d, 3)
        return jnp.outer(k, v)

    def beside(self, params: RetentionParams, d: Array) -> Array:
        """Return q / sqrt(n), (n_units,)."""
        return d[: self.n_units] / math.sqrt(self.n_units)
