"""S5: a diagonal state space in continuous time, discretised at steps that are learned.

  h' = Lambda h + B x,  y = 2 Re(C h) + c, in continuous time                    (1)
  h_t = exp(Lambda Delta) h_{t-1} + (exp(Lambda Delta) - 1) / Lambda (B x_t)     (2)
  J_t = gain diag(exp(Lambda Delta))                                             (3)

Equation (2) is exact for inputs that are held during a step (zero-order hold). A state stands for a
conjugate pair of which one is kept, hence the 2 of (1). Smith, Warrington and Linderman, Simplified
state space layers for sequence modeling, ICLR 2023, arXiv 2208.04933.

At the start Lambda are the eigenvalues with negative imaginary part of the normal part of the
HiPPO-LegS matrix of size 2 n_h,

  S_jk = -1/2 (j = k),  -+ sqrt((j + 1/2)(k + 1/2)) (j > k, j < k)               (4)

all with real part -1/2; B and C are drawn in its coordinates, and Delta is log-uniform. As in the
code of the authors B_jk ~ N(0, 1/(2 n_h)), whatever the number of inputs. Their feedthrough of the
input to the output is left to the network around.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields, slopes
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.tangents import Diagonal
from rnnjax.types import Array, Point

_LEAST_DECAY = 1e-4  # of -Re Lambda where it is clipped, as in the code of the authors


class S5Params(NamedTuple):
    """Parameters of equations (1) and (2), all real.

    Attributes:
      real: Re Lambda, (n_h,).
      imaginary: Im Lambda, (n_h,).
      log_step: ln Delta, (n_h,).
      B: input weights, real and imaginary part, (2, n_h, n_x).
      C: readout weights, real and imaginary part, (2, n_y, n_h).
      c: readout bias, (n_y,).
    """

    real: Array
    imaginary: Array
    log_step: Array
    B: Array
    C: Array
    c: Array

    @staticmethod
    def unit_axis() -> dict[str, int | None]:
        """Return the axis of units; in front stand the two parts of a complex weight."""
        return {"B": 1, "C": 1}


@fields.dataclass
class S5:
    """S5, equations (1) and (2).

    Attributes:
      n_x: inputs.
      n_h: complex units, each for a conjugate pair.
      n_y: outputs.
      gain: factor of exp(Lambda Delta).
      step_min: one end of the initial Delta, > 0.
      step_max: the other end, > 0.
      clipped: whether Re Lambda is kept at or below -1e-4, so that no unit grows.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    step_min: Array | float = fields.number(default=0.001, above=0)
    step_max: Array | float = fields.number(default=0.1, above=0)
    clipped: bool = fields.flag(default=False)
    traits = Traits(homogeneous=True)

    step = parts.step

    @arguments(key=KEY)
    def init(self, key: Array) -> S5Params:
        """Draw parameters in the coordinates of equation (4)."""
        n, size = self.n_h, 2 * self.n_h
        key_u, key_n = jax.random.split(key)
        B, C = initial_weights.normals(key_n, (size, self.n_x), (2, self.n_y, size))
        eigenvalues, V = _hippo(n)
        V_re, V_im = jnp.asarray(V.real, B.dtype), jnp.asarray(V.imag, B.dtype)
        low, high = jnp.log(self.step_min), jnp.log(self.step_max)
        return S5Params(
            real=jnp.asarray(eigenvalues.real, B.dtype),
            imaginary=jnp.asarray(eigenvalues.imag, B.dtype),
            log_step=low + (high - low) * jax.random.uniform(key_u, (n,)),
            B=jnp.stack([V_re.T @ B, -V_im.T @ B]) / math.sqrt(size),
            C=jnp.stack([C[0] @ V_re - C[1] @ V_im, C[0] @ V_im + C[1] @ V_re]) / math.sqrt(size),
            c=jnp.zeros(self.n_y),
        )

    def initial_state(self) -> Array:
        """Return complex zeros, (n_h,)."""
        return jnp.zeros(self.n_h, jnp.result_type(jnp.zeros(()), 1j))

    def readout(self, params: S5Params, h: Array) -> Array:
        """Return y_t, equation (1)."""
        C_re, C_im = params.C
        return 2 * (matvec(C_re, h.real) - matvec(C_im, h.imag)) + params.c

    def output(self, params: S5Params, h: Array) -> Array:
        """Return what a layer sends on to the next one: y_t, as the state is complex."""
        return self.readout(params, h)

    def eigenvalues(self, params: S5Params) -> Array:
        """Return those of J, complex (n_h,), equation (3)."""
        return self.gain * jnp.exp(self._rates(params) * jnp.exp(params.log_step))

    def drive(self, params: S5Params, x: Array) -> Array:
        """Return the second term of equation (2), complex (n_h,)."""
        B_re, B_im = params.B
        step = jnp.exp(params.log_step)
        held = slopes.held(self._rates(params), jax.lax.complex(step, jnp.zeros_like(step)))
        return held * jax.lax.complex(matvec(B_re, x), matvec(B_im, x))

    def advance(self, params: S5Params, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        return self.eigenvalues(params) * h + d

    def transition(self, params: S5Params, d: Array) -> tuple[Array, Array]:
        """Return the factors of the state and what is added to it, complex (n_h,) each."""
        return self.eigenvalues(params), d

    def linearize(self, params: S5Params, at: Point, *, by_row: bool = False) -> Diagonal:
        """Return J, the same at every state."""
        return Diagonal(self.eigenvalues(params))

    def _rates(self, params: S5Params) -> Array:
        """Return Lambda, complex (n_h,)."""
        real = jnp.minimum(params.real, -_LEAST_DECAY) if self.clipped else params.real
        return jax.lax.complex(real, params.imaginary)


@functools.cache
def _hippo(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of equation (4) n eigenvalues, one of each pair, and their vectors, (2 n, n)."""
    root = np.sqrt(np.arange(2 * n) + 0.5)
    skew = np.triu(np.outer(root, root), 1)
    frequencies, V = np.linalg.eigh(-1j * (skew - skew.T))
    # A vector is known up to a phase, which is not to depend on the machine.
    V = V * (np.abs(V[0]) / V[0])[None]
    return -0.5 + 1j * frequencies[:n], V[:, :n]
