"""Leaky integrate-and-fire units.

With the spikes s and the membrane potentials v of all units,
  z_t = W s_{t-1} + U x_t + b                                                    (1)
  v_t = alpha v_{t-1} + z_t - theta s_{t-1},   alpha = exp(-1 / tau)             (2)
  s_t = H(v_t - theta)                                                           (3)
  output V s_t + c                                                               (4)

The derivative of equation (3) is a surrogate (`rnnjax.cells.spiking.surrogate`), so the gradient of
this network is not that of its loss. s_t depends on the past by way of v_t alone: J_t has rank n at
most, and n of the 2 n exponents are -inf.

Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein and Maass, A solution to the learning dilemma
for recurrent networks of spiking neurons, Nature Communications, 2020. No unit hears itself: the
diagonal of W has no effect. tau, theta and the damping are those with which their code compares
e-prop and BPTT. Left out are its refractory period of a few steps (a counter has no gradient) and
the filter of its readout.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.cells.spiking.surrogate import spike
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


class SpikingParams(NamedTuple):
    """z = W s + U x + b, output V s + c.

    Attributes:
      W: recurrent weights, (n, n); the diagonal has no effect.
      U: input weights, (n, n_x).
      b: bias, (n,).
      V: readout weights, (n_y, n).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array


def drawn(cell: Any, key: Array) -> SpikingParams:
    """Draw W_ij ~ gain N(0, 1/n), U_ij ~ input_gain N(0, 1/n_x), V_ij ~ N(0, 1/n); biases 0."""
    n, n_x = cell.n_units, cell.n_x
    W, U, V = initial_weights.normals(key, (n, n), (n, n_x), (cell.n_y, n))
    return SpikingParams(
        W=cell.gain * without_autapses(W) / math.sqrt(n),
        U=cell.input_gain * U / math.sqrt(n_x),
        b=jnp.zeros(n),
        V=V / math.sqrt(n),
        c=jnp.zeros(cell.n_y),
    )


def without_autapses(W: Array) -> Array:
    """Return a square matrix with 0 in the diagonal."""
    return jnp.where(jnp.eye(len(W), dtype=bool), 0, W)


def recurrent_weights(self: Any, params: SpikingParams) -> Array:
    """Return W without its diagonal, (n_units, n_units)."""
    return without_autapses(params.W)


def presynaptic(self: Any, h: Array) -> Array:
    """Return what the units send one another through W: their spikes, the front of the state."""
    return h[: self.n_units]


def readout(self: Any, params: SpikingParams, h: Array) -> Array:
    """Return V s + c, (n_y,), equation (4)."""
    return matvec(params.V, h[: self.n_units]) + params.c


def output(self: Any, params: SpikingParams, h: Array) -> Array:
    """Return what a layer sends on to the next one: the spikes, (n_units,)."""
    return h[: self.n_units]


@fields.dataclass
class LIF:
    """Leaky integrate-and-fire units, equations (1) to (4); the state is [s, v], n_h = 2 n_units.

    Attributes:
      n_x: inputs.
      n_units: units.
      n_y: outputs.
      gain: W_ij ~ gain N(0, 1/n_units).
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      tau: time constant of the membrane in steps, () or (n_units,).
      threshold: theta, () or (n_units,).
      damping: k, the largest surrogate slope times theta.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    tau: Array | float = fields.number(default=20.0, above=0)
    threshold: Array | float = fields.number(default=0.62, above=0)
    damping: Array | float = fields.number(default=0.3, at_least=0)
    traits = Traits(entries_per_unit=2)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = recurrent_weights
    presynaptic = presynaptic
    readout = readout
    output = output

    @property
    def n_h(self) -> int:
        """State entries: s and v."""
        return 2 * self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> SpikingParams:
        """Draw parameters; biases and the diagonal of W are 0."""
        return drawn(self, key)

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return [s_t, v_t], equations (2) and (3), from [s_{t-1}, v_{t-1}] and z_t."""
        parts.check_real(z, "with thresholds")
        s, v = jnp.split(h, 2)
        v = jnp.exp(-1 / self.tau) * v + z - self.threshold * s
        return jnp.concatenate([spike(v - self.threshold, self.threshold, self.damping), v])
