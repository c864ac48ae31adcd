"""S6: the selective state space at the core of Mamba, whose step size is a gate.

  u_t = U x_t,  B_t = W_B u_t,  C_t = W_C u_t                                    (1)
  Delta_t = softplus(W_Delta W_r u_t + b_Delta)                                  (2)
  h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t,  A = -exp(log_A)               (3)
  o_t = C_t h_t,  y_t = V o_t + c                                                (4)
  J_t = diag(exp(Delta_t A)), whatever the state                                 (5)

Each of n_units has a row of n_states entries; B_t and C_t are those of all units. The state holds
the memory by rows and, for the readout, C_t, which no step reads. Gu and Dao, Mamba: linear-time
sequence modeling with selective state spaces, 2023, arXiv 2312.00752. What stands around it there
(convolution, gate, D u_t) is left to the network around.

Equation (3) is that of the released code. In the paper inputs are held during a step, which puts
(exp(Delta A) - 1) / A in place of Delta in front of B: `exact`. With A = -1 and B = 1 that is
h_t = (1 - g) h_{t-1} + g u_t with g = s(W_Delta W_r u_t + b_Delta), theorem 1 there.

Factors exp(Delta A) are positive; in their place `negative` puts

  2 exp(Delta_t A) - 1, in [-1, 1]                                               (6)

with the rest as it is. Grazzi, Siems, Zela, Franke, Hutter and Pontil, Unlocking state-tracking in
linear RNNs through negative eigenvalues, ICLR 2025, arXiv 2411.12537.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array

_LEAST_STEP = 1e-4  # of the initial Delta, as in the released code


class S6Params(NamedTuple):
    """Parameters of equations (1) to (4).

    Attributes:
      U: input weights, (n_units, n_x).
      W: W_r, W_B and W_C, one below the other, (rank + 2 n_states, n_units).
      W_Delta: from the low rank to the step sizes, (n_units, rank).
      b_Delta: their bias, (n_units,).
      log_A: ln(-A), (n_units, n_states).
      V: readout weights, (n_y, n_units).
      c: readout bias, (n_y,).
    """

    U: Array
    W: Array
    W_Delta: Array
    b_Delta: Array  # noqa: N815
    log_A: Array  # noqa: N815
    V: Array
    c: Array


@fields.dataclass
class S6:
    """S6, equations (1) to (4).

    Attributes:
      n_x: inputs.
      n_units: rows of the memory.
      n_y: outputs.
      n_states: entries of a row.
      rank: that of what Delta is computed from; None for n_units / 32, rounded up, as in the
        released code.
      step_min: one end of the initial Delta at u = 0, log-uniform, > 0.
      step_max: the other end, > 0.
      exact: whether inputs are held during a step, instead of Euler's Delta B.
      negative: whether the factors are those of equation (6).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    n_states: int = fields.count(default=16)
    rank: int | None = fields.count(default=None, optional=True)
    step_min: Array | float = fields.number(default=0.001, above=0)
    step_max: Array | float = fields.number(default=0.1, above=0)
    exact: bool = fields.flag(default=False)
    negative: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    advance = linear.advance
    linearize = linear.linearize
    transition = linear.transition

    @property
    def traits(self) -> Traits:
        """C_t is not read by a step; every other entry of the state is a unit of its own."""
        return Traits(n_unread=self.n_states)

    @property
    def n_h(self) -> int:
        """State entries: the memory and C_t."""
        return (self.n_units + 1) * self.n_states

    @property
    def memory_shape(self) -> tuple[int, int]:
        """Rows and columns of the memory."""
        return self.n_units, self.n_states

    @arguments(key=KEY)
    def init(self, key: Array) -> S6Params:
        """Draw parameters; A = -1, ..., -n_states in every row."""
        n, m, rank = self.n_units, self.n_states, self._rank
        key_u, key_n = jax.random.split(key)
        shapes = ((n, self.n_x), (rank + 2 * m, n), (self.n_y, n))
        U, W, V = initial_weights.normals(key_n, *shapes)
        uniform = jax.random.uniform(key_u, (n, rank + 1))
        low, high = jnp.log(self.step_min), jnp.log(self.step_max)
        steps = jnp.maximum(jnp.exp(low + (high - low) * uniform[:, 0]), _LEAST_STEP)
        return S6Params(
            U=U / math.sqrt(self.n_x),
            W=W / math.sqrt(n),
            W_Delta=(2 * uniform[:, 1:] - 1) / math.sqrt(rank),
            b_Delta=steps + jnp.log(-jnp.expm1(-steps)),
            log_A=jnp.tile(jnp.log(jnp.arange(1.0, m + 1))[None], (n, 1)),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def drive(self, params: S6Params, x: Array) -> Array:
        """Return u_t, what Delta_t is the softplus of, B_t and C_t, (2 n_units + 2 n_states,)."""
        u = matvec(params.U, x)
        low, rest = jnp.split(matvec(params.W, u), [self._rank])
        return jnp.concatenate([u, matvec(params.W_Delta, low) + params.b_Delta, rest])

    def log_decay(self, params: S6Params, d: Array) -> Array:
        """Return the ln of the sizes of the factors, (n_units, n_states)."""
        rate = self._rate(params, d)
        if not self.negative:
            return rate
        return jnp.log1p(jnp.where(rate > -math.log(2), 2 * jnp.expm1(rate), -2 * jnp.exp(rate)))

    def decay(self, params: S6Params, d: Array) -> Array:
        """Return the factors, (n_units, n_states), of equation (5) or (6)."""
        factor = jnp.exp(self._rate(params, d))
        return 2 * factor - 1 if self.negative else factor

    def entering(self, params: S6Params, d: Array) -> Array:
        """Return Delta_t B_t u_t, (n_units, n_states), or what stands for it if inputs are held."""
        u, z, B, _ = self._parts(d)
        if not self.exact:
            return (jax.nn.softplus(z) * u)[:, None] * B[None]
        step = jnp.broadcast_to(jax.nn.softplus(z)[:, None], params.log_A.shape)
        return slopes.held(-jnp.exp(params.log_A), step) * B[None] * u[:, None]

    def beside(self, params: S6Params, d: Array) -> Array:
        """Return C_t, (n_states,)."""
        return self._parts(d)[3]

    def output(self, params: S6Params, h: Array) -> Array:
        """Return what a layer sends on to the next one: o_t, (n_units,), equation (4)."""
        return linear.memory_of(self, h) @ h[-self.n_states :]

    def readout(self, params: S6Params, h: Array) -> Array:
        """Return y_t, (n_y,), equation (4)."""
        return matvec(params.V, self.output(params, h)) + params.c

    @property
    def _rank(self) -> int:
        return -(-self.n_units // 32) if self.rank is None else self.rank

    def _rate(self, params: S6Params, d: Array) -> Array:
        """Return Delta_t A, (n_units, n_states)."""
        return -jax.nn.softplus(self._parts(d)[1])[:, None] * jnp.exp(params.log_A)

    def _parts(self, d: Array) -> list[Array]:
        n = self.n_units
        return jnp.split(d, [n, 2 * n, 2 * n + self.n_states])
