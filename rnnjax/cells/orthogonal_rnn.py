"""The orthogonal RNN by the exponential map: every gradient of a linear network keeps its length.

  A   = P - P^T, of the part of P above the diagonal,   W = gain exp(A)          (1)
  h_t = g(W h_{t-1} + U x_t)                                                     (2)
  g(z) = z + b sign(z) where |z| + b >= 0, else 0   (modReLU)                    (3)
  y_t = V h_t + c                                                                (4)
  J_t = diag(|z_t| + b >= 0) W                                                   (5)

exp(A) is orthogonal, with determinant 1, whatever an optimiser does to P. Where b >= 0 every J_t is
W, and at gain 1 all Lyapunov exponents are 0; at b = 0 the network is linear. Only b < 0 shuts
units.

Lezcano-Casado and Martinez-Rubio, Cheap orthogonal constraints in neural networks: A simple
parametrization of the orthogonal and unitary group, ICML 2019, arXiv 1901.08428; modReLU: Arjovsky,
Shah and Bengio, Unitary evolution recurrent neural networks, ICML 2016. The starts, rotations in
planes of two units: `henaff` (Henaff, Szlam and LeCun, Recurrent orthogonal networks and
long-memory tasks, ICML 2016) and `cayley` (Helfrich, Willmott and Ye, Orthogonal recurrent neural
networks with scaled Cayley transform, ICML 2018). W is computed by `rnnjax.matrices.skew` from P
wherever a step needs it; XLA moves that out of the loop over time.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.matrices.skew import exp_of_skew
from rnnjax.matvec import matvec
from rnnjax.ranges import COUNT, KEY, arguments
from rnnjax.tangents import Leaky
from rnnjax.types import Array, Point


class OrthogonalParams(NamedTuple):
    """h' = modReLU(exp(P - P^T) h + U x),  y = V h + c.

    Attributes:
      P: logarithm of the recurrent weights, read above the diagonal alone, (n_h, n_h).
      U: input weights, (n_h, n_x).
      b: bias of the modReLU, (n_h,).
      V: readout weights, (n_y, n_h).
      c: readout bias, (n_y,).
    """

    P: Array
    U: Array
    b: Array
    V: Array
    c: Array


# Not weights by name: these are logarithms of weights.
@arguments(n_h=COUNT)
def henaff(key: Array, n_h: int) -> Array:
    """Return P of rotations by angles U(-pi, pi), one for each two units, (n_h, n_h)."""
    angles = jax.random.uniform(key, (n_h // 2,), minval=-math.pi, maxval=math.pi)
    return _in_planes(angles, n_h)


@arguments(n_h=COUNT)
def cayley(key: Array, n_h: int) -> Array:
    """Return P of rotations by angles -tan(t / 2), t ~ U(0, pi / 2), (n_h, n_h)."""
    t = jax.random.uniform(key, (n_h // 2,), maxval=0.5 * math.pi)
    return _in_planes(-jnp.tan(0.5 * t), n_h)


def _in_planes(angles: Array, n_h: int) -> Array:
    first = 2 * jnp.arange(n_h // 2)
    return jnp.zeros((n_h, n_h)).at[first, first + 1].set(angles)


@fields.dataclass
class OrthogonalRNN:
    """Orthogonal RNN by the exponential map, equations (1) to (5).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      start: (key, n_h) -> initial P, such as `henaff` or `cayley`.
      gain: factor of the orthogonal matrix.
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      bias_range: b ~ U(-bias_range, bias_range), >= 0.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    start: Callable[[Array, int], Array] = fields.function(
        default=henaff, form="(key, n_h) -> (n_h, n_h)"
    )
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    bias_range: Array | float = fields.number(default=0.01, at_least=0)

    initial_state = parts.initial_state
    step = parts.step
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> OrthogonalParams:
        """Draw parameters."""
        n = self.n_h
        key_p, key_b, key_io = jax.random.split(key, 3)
        U, V = initial_weights.normals(key_io, (n, self.n_x), (self.n_y, n))
        return OrthogonalParams(
            P=self.start(key_p, n),
            U=self.input_gain * U / math.sqrt(self.n_x),
            b=self.bias_range * jax.random.uniform(key_b, (n,), minval=-1),
            V=V / math.sqrt(n),
            c=jnp.zeros(self.n_y),
        )

    def recurrence(self, params: OrthogonalParams) -> Array:
        """Return W, equation (1), (n_h, n_h)."""
        upper = jnp.triu(params.P, 1)
        return self.gain * exp_of_skew(upper - upper.T)

    def drive(self, params: OrthogonalParams, x: Array) -> Array:
        """Return U x, (n_h,)."""
        return matvec(params.U, x)

    def advance(self, params: OrthogonalParams, h: Array, d: Array) -> Array:
        """Return h_t, equations (2) and (3), from h_{t-1} and the drive."""
        parts.check_real(d, "with signs of units")
        z = matvec(self.recurrence(params), h) + d
        return jnp.where(_passes(params, z), z + params.b * jnp.sign(z), 0)

    def linearize(self, params: OrthogonalParams, at: Point, *, by_row: bool = False) -> Leaky:
        """Return J_t, equation (5)."""
        W = self.recurrence(params)
        slopes = _passes(params, matvec(W, at.h) + at.drive).astype(at.h.dtype)
        return Leaky(W, slopes, jnp.zeros((), jnp.int32))


def _passes(params: OrthogonalParams, z: Array) -> Array:
    """Return which units equation (3) lets through, bool (n_h,)."""
    return jnp.abs(z) + params.b >= 0
