"""The linear recurrent unit: a complex diagonal recurrence.

  h_t = lambda h_{t-1} + gamma (B x_t)              (1)
  y_t = Re(C h_t) + c                               (2)
  lambda = gain exp(-exp(nu) + i exp(theta))        (3)

gamma = sqrt(1 - |lambda|^2) at the start and at gain 1, with |lambda|^2 uniform in
[r_min^2, r_max^2]. Orvieto et al., Resurrecting recurrent neural networks for long sequences, ICML
2023. The state is complex; the parameters are real, so that any optimiser can train them. The
Jacobian is diag(lambda).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.tangents import Diagonal
from rnnjax.types import Array, Point


class LRUParams(NamedTuple):
    """h' = lambda h + gamma (B x),  y = Re(C h) + c.

    Attributes:
      nu: log(-log |lambda|), (n_h,).
      theta: log of the phase of lambda, (n_h,).
      log_gamma: log of the input normalisation, (n_h,).
      B: input weights, real and imaginary part, (2, n_h, n_x).
      C: readout weights, real and imaginary part, (2, n_y, n_h).
      c: readout bias, (n_y,).
    """

    nu: Array
    theta: Array
    log_gamma: Array
    B: Array
    C: Array
    c: Array

    @staticmethod
    def unit_axis() -> dict[str, int | None]:
        """Return the axis of units; in front stand the two parts of a complex weight."""
        return {"B": 1, "C": 1}


@fields.dataclass
class LRU:
    """Linear recurrent unit, equations (1) to (3).

    Attributes:
      n_x: inputs.
      n_h: complex units.
      n_y: outputs.
      gain: factor of lambda.
      r_min: smallest initial |lambda|, in [0, 1).
      r_max: largest initial |lambda|, in (0, 1], not below r_min.
      max_phase: largest initial phase, radian, > 0.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    r_min: Array | float = fields.number(default=0.9, at_least=0, below=1)
    r_max: Array | float = fields.number(default=0.999, above=0, at_most=1)
    max_phase: Array | float = fields.number(default=2 * math.pi, above=0)
    traits = Traits(homogeneous=True)

    step = parts.step

    def __post_init__(self) -> None:
        ends = (self.r_min, self.r_max)
        if all(isinstance(r, (int, float)) for r in ends) and self.r_min > self.r_max:
            raise refusal("r_max", f"at least r_min, {self.r_min}", self.r_max)

    @arguments(key=KEY)
    def init(self, key: Array) -> LRUParams:
        """Draw parameters on the ring r_min <= |lambda| <= r_max."""
        key_u, key_n = jax.random.split(key)
        u, phase = jax.random.uniform(key_u, (2, self.n_h))
        B, C = initial_weights.normals(key_n, (2, self.n_h, self.n_x), (2, self.n_y, self.n_h))
        squared = u * (self.r_max**2 - self.r_min**2) + self.r_min**2
        return LRUParams(
            nu=jnp.log(-0.5 * jnp.log(squared)),
            theta=jnp.log(self.max_phase * phase),
            log_gamma=0.5 * jnp.log1p(-squared),
            B=B / math.sqrt(2 * self.n_x),
            C=C / math.sqrt(self.n_h),
            c=jnp.zeros(self.n_y),
        )

    def initial_state(self) -> Array:
        """Return complex zeros, (n_h,)."""
        return jnp.zeros(self.n_h, jnp.result_type(jnp.zeros(()), 1j))

    def readout(self, params: LRUParams, h: Array) -> Array:
        """Return y_t, equation (2)."""
        C_re, C_im = params.C
        return matvec(C_re, h.real) - matvec(C_im, h.imag) + params.c

    def output(self, params: LRUParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: y_t, as the state is complex."""
        return self.readout(params, h)

    def eigenvalues(self, params: LRUParams) -> Array:
        """Return lambda, complex (n_h,), equation (3)."""
        return self.gain * jnp.exp(jax.lax.complex(-jnp.exp(params.nu), jnp.exp(params.theta)))

    def drive(self, params: LRUParams, x: Array) -> Array:
        """Return gamma (B x), complex (n_h,)."""
        B_re, B_im = params.B
        return jnp.exp(params.log_gamma) * jax.lax.complex(matvec(B_re, x), matvec(B_im, x))

    def advance(self, params: LRUParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        return self.eigenvalues(params) * h + d

    def transition(self, params: LRUParams, d: Array) -> tuple[Array, Array]:
        """Return the factors of the state and what is added to it, complex (n_h,) each."""
        return self.eigenvalues(params), d

    def linearize(self, params: LRUParams, at: Point, *, by_row: bool = False) -> Diagonal:
        """Return J = diag(lambda), the same at every state."""
        return Diagonal(self.eigenvalues(params))
