"""RG-LRU: the real-gated linear recurrent unit of Griffin, whose decay is raised to a gate's power.

  r_t = s(W_r x_t + b_r),  i_t = s(W_i x_t + b_i),  u_t = U x_t                  (1)
  a_t = a^(c r_t),  ln a = -softplus(L)                                          (2)
  h_t = a_t h_{t-1} + sqrt(1 - a_t^2) i_t u_t                                    (3)
  y_t = V h_t + c                                                                (4)
  J_t = diag(a_t), whatever the state                                            (5)

with s the logistic function. White u of variance 1 gives h the variance 1 at a constant a_t and
i_t = 1. De, Smith et al., Griffin: mixing gated linear recurrences with local attention for
efficient language models, 2024, arXiv 2402.19427. There u is x itself, and the weights of the gates
are block-diagonal; the convolution in front is left to the network around.

The paper's start has a^c uniform in [r_min, r_max], half of which power is taken at r = 1/2. The
code that the authors released puts a itself there, a^2 uniformly, so that units forget c times
faster: `as_released`. That code also takes a_1 = 0 and 1 for the root at the first step, which a
cell does not know, and caps the derivative of the root by 1 - a^2, which has no bound. By the logit
of r it has one, and here it is exact.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, linear, parts
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.types import Array


class RGLRUParams(NamedTuple):
    """h' = a^(c r) h + sqrt(1 - a^(2 c r)) i u,  y = V h + c.

    Attributes:
      U: input weights of the gates r and i and of u, (3 n_h, n_x).
      b: biases of the gates, (2 n_h,).
      L: ln a = -softplus(L), (n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    U: Array
    b: Array
    L: Array
    V: Array
    c: Array


@fields.dataclass
class RGLRU:
    """RG-LRU, equations (1) to (4).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      power: c of equation (2), > 0.
      forget_bias: minus the initial bias of the gate r, at whose 0 all is kept; () or (n_h,).
      r_min: smallest initial a^c, in (0, 1).
      r_max: largest initial a^c, in (0, 1), not below r_min.
      as_released: whether r_min and r_max are those of a, and a^2 is uniform.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    power: Array | float = fields.number(default=8.0, above=0)
    forget_bias: Array | float = fields.number(default=0.0)
    r_min: Array | float = fields.number(default=0.9, above=0, below=1)
    r_max: Array | float = fields.number(default=0.999, above=0, below=1)
    as_released: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    readout = parts.readout
    advance = linear.advance
    linearize = linear.linearize
    transition = linear.transition

    def __post_init__(self) -> None:
        ends = (self.r_min, self.r_max)
        if all(isinstance(r, (int, float)) for r in ends) and self.r_min > self.r_max:
            raise refusal("r_max", f"at least r_min, {self.r_min}", self.r_max)

    @arguments(key=KEY)
    def init(self, key: Array) -> RGLRUParams:
        """Draw parameters."""
        n = self.n_h
        key_a, key_n = jax.random.split(key)
        U, V = initial_weights.normals(key_n, (3 * n, self.n_x), (self.n_y, n))
        rate = -self._log_a(jax.random.uniform(key_a, (n,)))
        return RGLRUParams(
            U=U / math.sqrt(self.n_x),
            b=jnp.zeros(2 * n).at[:n].set(-self.forget_bias),
            L=rate + jnp.log(-jnp.expm1(-rate)),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def drive(self, params: RGLRUParams, x: Array) -> Array:
        """Return the logits of the gates, and u_t, (3 n_h,)."""
        return matvec(params.U, x) + jnp.concatenate(
            [params.b, jnp.zeros_like(params.b[: self.n_h])]
        )

    def log_decay(self, params: RGLRUParams, d: Array) -> Array:
        """Return ln a_t, (n_h,), equation (2)."""
        return -self.power * jax.nn.softplus(params.L) * slopes.logistic(d[: self.n_h])

    def entering(self, params: RGLRUParams, d: Array) -> Array:
        """Return sqrt(1 - a_t^2) i_t u_t, (n_h,)."""
        z_r, z_i, u = jnp.split(d, 3)
        log_y = jnp.log(2 * self.power) + _log_softplus(params.L) + jax.nn.log_sigmoid(z_r)
        root = jnp.exp(_log_taken(log_y) / 2)
        return root * slopes.logistic(z_i) * u

    def _log_a(self, uniform: Array) -> Array:
        """Return ln a at the start, (n_h,), for numbers in [0, 1)."""
        if self.as_released:
            return 0.5 * jnp.log(self.r_min**2 + uniform * (self.r_max**2 - self.r_min**2))
        return jnp.log(self.r_min + uniform * (self.r_max - self.r_min)) / self.power


def _log_softplus(x: Array) -> Array:
    """Return ln ln(1 + e^x), which is x where e^x is below rounding, with its derivative there."""
    far = x < -40
    return jnp.where(far, x, jnp.log(jax.nn.softplus(jnp.where(far, 0, x))))


@jax.custom_jvp
def _log_taken(log_y: Array) -> Array:
    """Return ln(1 - exp(-y)) of ln y, whose derivative is y / (e^y - 1)."""
    # With 1 - exp(-y) = y (1 - exp(-y)) / y no derivative is a product 0 x infinity.
    return log_y + _log_mean_decay(jnp.exp(log_y))


@_log_taken.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (log_y,), (direction,) = primals, tangents
    y = jnp.exp(jnp.minimum(log_y, 7))  # whose e^y leaves every range
    still = y == 0
    slope = jnp.where(still, 1, y / jnp.where(still, 1, jnp.expm1(y)))
    return _log_taken(log_y), slope * direction


def _log_mean_decay(y: Array) -> Array:
    """Return ln (1 - exp(-y)) / y for y >= 0, with its derivatives at 0."""
    near = y < 0.02
    squared = jnp.where(near, y, 0) ** 2
    series = squared * (1 / 24 - squared * (1 / 2880 - squared / 181440)) - y / 2
    far = jnp.where(near, 1, y)
    return jnp.where(near, series, jnp.log(-jnp.expm1(-far) / far))
