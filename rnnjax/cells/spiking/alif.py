"""Leaky integrate-and-fire units whose thresholds rise with their own spikes.

With the spikes s, the membrane potentials v and the adaptations a of all units,
  z_t = W s_{t-1} + U x_t + b                                                    (1)
  v_t = alpha v_{t-1} + z_t - theta s_{t-1},   alpha = exp(-1 / tau)             (2)
  a_t = rho a_{t-1} + s_{t-1},   rho = exp(-1 / tau_adaptation)                  (3)
  s_t = H(v_t - theta - beta a_t)                                                (4)
  output V s_t + c                                                               (5)

The width of the surrogate slope is theta, not the threshold as it has risen. As s_t depends on the
past by way of v_t and a_t, J_t has rank 2 n at most, and n of the 3 n exponents are -inf. At
beta = 0 spikes and potentials are those of `LIF`.

Source, diagonal of W and what is left out: `rnnjax.cells.spiking.lif`. The numbers are those with
which the authors' code compares e-prop and BPTT. There half of the units adapt: beta may be an
array with 0 for those that do not.
"""

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import parts
from rnnjax.cells.spiking import lif
from rnnjax.cells.spiking.surrogate import spike
from rnnjax.dynamics import Traits
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array


@fields.dataclass
class ALIF:
    """Adaptive units, equations (1) to (5); the state is [s, v, a], n_h = 3 n_units.

    Attributes:
      n_x: inputs.
      n_units: units.
      n_y: outputs.
      gain: W_ij ~ gain N(0, 1/n_units).
      input_gain: U_ij ~ input_gain N(0, 1/n_x).
      tau: time constant of the membrane in steps, () or (n_units,).
      threshold: theta, () or (n_units,).
      damping: k, the largest surrogate slope times theta.
      tau_adaptation: time constant of the adaptation in steps, () or (n_units,).
      beta: what an adaptation of 1 adds to the threshold, () or (n_units,).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    input_gain: Array | float = fields.number(default=1.0)
    tau: Array | float = fields.number(default=20.0, above=0)
    threshold: Array | float = fields.number(default=0.62, above=0)
    damping: Array | float = fields.number(default=0.3, at_least=0)
    tau_adaptation: Array | float = fields.number(default=500.0, above=0)
    beta: Array | float = fields.number(default=0.07, at_least=0)
    traits = Traits(entries_per_unit=3)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = lif.recurrent_weights
    presynaptic = lif.presynaptic
    readout = lif.readout
    output = lif.output

    @property
    def n_h(self) -> int:
        """State entries: s, v and a."""
        return 3 * self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> lif.SpikingParams:
        """Draw parameters; biases and the diagonal of W are 0."""
        return lif.drawn(self, key)

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return [s_t, v_t, a_t], equations (2) to (4), from the state before and z_t."""
        parts.check_real(z, "with thresholds")
        s, v, a = jnp.split(h, 3)
        v = jnp.exp(-1 / self.tau) * v + z - self.threshold * s
        a = jnp.exp(-1 / self.tau_adaptation) * a + s
        excess = v - self.threshold - self.beta * a
        return jnp.concatenate([spike(excess, self.threshold, self.damping), v, a])
