"""Gated DeltaNet: the delta rule on a matrix that decays as a whole, at a rate that the input sets.

  q_t = u(W_q x_t),  k_t = u(W_k x_t),  v_t = silu(W_v x_t),  u(z) = silu(z) / |silu(z)|    (1)
  S_t = a_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T                               (2)
  beta_t = s(W_beta x_t), or 2 s(W_beta x_t)                                                (3)
  a_t = exp(-A softplus(W_a x_t + b)),   A = exp(A_log)                                     (4)
  y_t = V o_t + c,   o_t = S_t^T q_t                                                        (5)
  eigenvalues of J_t: a_t (1 - beta_t) once and a_t otherwise, each n times                 (6)

with s the logistic function. Yang, Kautz and Hatamizadeh, Gated delta networks: improving Mamba2
with delta rule, ICLR 2025. At a = 1 it is `DeltaNet`, where more is said. At the start A is uniform
in (0, 16] and the softplus of b log-uniform in [0.001, 0.1]. Heads are independent copies; this is
one of them. Short convolutions before equation (1), and the norm and the gate behind o, are left to
the network around.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.types import Array


class GatedDeltaNetParams(NamedTuple):
    """S' = a (I - beta k k^T) S + beta k v^T,  y = V S^T q + c.

    Attributes:
      U: weights of q, k and v, (3 n_units, n_x).
      W_beta: weights of the logit of beta, (1, n_x).
      W_a: weights of the logit of a, (1, n_x).
      A_log: ln A, ().
      b: bias b of equation (4), ().
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    W_beta: Array
    W_a: Array
    A_log: Array
    b: Array
    V: Array
    c: Array


@fields.dataclass
class GatedDeltaNet:
    """One head, equations (1) to (6); the state is [S, q], n_h = n_units (n_units + 1).

    Attributes:
      n_x: inputs.
      n_units: entries of a key and of a value, n.
      n_y: outputs.
      input_gain: U_ij, W_beta, W_a ~ input_gain N(0, 1/n_x).
      negative: whether beta is 2 s(.), so that 1 - beta lies in (-1, 1), not in (0, 1).
      A_max: largest initial A.
      step_min: smallest initial softplus of b.
      step_max: largest initial softplus of b, not below step_min.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    input_gain: Array | float = fields.number(default=1.0)
    negative: bool = fields.flag(default=False)
    A_max: Array | float = fields.number(default=16.0, above=0)
    step_min: Array | float = fields.number(default=0.001, above=0)
    step_max: Array | float = fields.number(default=0.1, above=0)

    initial_state = parts.initial_state
    step = parts.step
    output = matrix_memory.output
    readout = matrix_memory.readout
    advance = matrix_memory.delta_rule
    linearize = matrix_memory.linearize
    transition = matrix_memory.transition
    kept = matrix_memory.kept

    def __post_init__(self) -> None:
        ends = (self.step_min, self.step_max)
        if all(isinstance(dt, (int, float)) for dt in ends) and self.step_min > self.step_max:
            raise refusal("step_max", f"at least step_min, {self.step_min}", self.step_max)

    n_h = property(matrix_memory.n_h)
    memory_shape = property(matrix_memory.memory_shape)
    traits = property(matrix_memory.traits)

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedDeltaNetParams:
        """Draw parameters."""
        n, n_x = self.n_units, self.n_x
        key_n, key_u = jax.random.split(key)
        U, W_beta, W_a, V = initial_weights.normals(
            key_n, (3 * n, n_x), (1, n_x), (1, n_x), (self.n_y, n)
        )
        gain = self.input_gain / math.sqrt(n_x)
        of_A, of_dt = jax.random.uniform(key_u, (2,))
        log_dt = jnp.log(self.step_min) + of_dt * (jnp.log(self.step_max) - jnp.log(self.step_min))
        dt = jnp.exp(log_dt)
        return GatedDeltaNetParams(
            U=gain * U,
            W_beta=gain * W_beta,
            W_a=gain * W_a,
            A_log=jnp.log(self.A_max * (1 - of_A)),
            b=dt + jnp.log(-jnp.expm1(-dt)),  # softplus(b) = dt
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def drive(self, params: GatedDeltaNetParams, x: Array) -> Array:
        """Return what is in equations (1), (3) and (4) before any function, (3 n_units + 2,)."""
        logit_a = matvec(params.W_a, x) + params.b
        return jnp.concatenate([matvec(params.U, x), matvec(params.W_beta, x), logit_a])

    def reflection(self, params: GatedDeltaNetParams, d: Array) -> tuple[Array, Array, Array]:
        """Return ln a (), beta () and k (n_units,)."""
        n = self.n_units
        k = matrix_memory.unit_vector(jax.nn.silu(d[n : 2 * n]))
        log_a = -jnp.exp(params.A_log) * jax.nn.softplus(d[-1])
        return log_a, matrix_memory.strength(d[3 * n], self.negative), k

    def value(self, params: GatedDeltaNetParams, d: Array) -> Array:
        """Return v, (n_units,)."""
        return jax.nn.silu(d[2 * self.n_units : 3 * self.n_units])

    def beside(self, params: GatedDeltaNetParams, d: Array) -> Array:
        """Return q, (n_units,)."""
        return matrix_memory.unit_vector(jax.nn.silu(d[: self.n_units]))
