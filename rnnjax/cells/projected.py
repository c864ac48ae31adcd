"""An LSTM whose state h is a projection of its gated memory.

  i, f, g, o = W h + U x + b
  c' = s(f) c + s(i) tanh(g)                                                     (1)
  h' = R (s(o) tanh(c'))                                                         (2)

h has n_projected entries and c has n_units. Sak, Senior and Beaufays, Long short-term memory
recurrent neural network architectures for large scale acoustic modeling, Interspeech 2014; here as
torch's `proj_size`, without peepholes.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import logistic, tanh
from rnnjax.types import Array


class ProjectedParams(NamedTuple):
    """Parameters of equations (1) and (2), and y = V h + c.

    Attributes:
      W: recurrent weights, (4 n_units, n_projected).
      U: input weights, (4 n_units, n_x).
      b: biases, (4 n_units,).
      R: projection, (n_projected, n_units).
      V: readout weights, (n_y, n_projected).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    R: Array
    V: Array
    c: Array


@fields.dataclass
class ProjectedLSTM:
    """Equations (1) and (2); the state is [h, c], n_h = n_projected + n_units.

    Attributes:
      n_x: inputs.
      n_units: memory cells.
      n_projected: entries of h.
      n_y: outputs.
      gain: factor of the initial W.
      forget_bias: initial bias of the forget gate, () or (n_units,).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_projected: int = fields.count()
    n_y: int = fields.count(default=1)
    gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=1.0)
    # R mixes the units: no entry of h belongs to one of c.
    traits = Traits(bounded=True, entries_per_unit=None)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive

    @property
    def n_h(self) -> int:
        """State entries: h and c."""
        return self.n_projected + self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> ProjectedParams:
        """Draw W ~ gain N(0, 1/n_projected), the others ~ N(0, 1 / inputs); other biases are 0."""
        n, p, n_x, n_y = self.n_units, self.n_projected, self.n_x, self.n_y
        W, U, R, V = initial_weights.normals(key, (4 * n, p), (4 * n, n_x), (p, n), (n_y, p))
        return ProjectedParams(
            W=self.gain * W / math.sqrt(p),
            U=U / math.sqrt(n_x),
            b=jnp.zeros(4 * n).at[n : 2 * n].set(self.forget_bias),
            R=R / math.sqrt(n),
            V=V / math.sqrt(p),
            c=jnp.zeros(n_y),
        )

    def readout(self, params: ProjectedParams, h: Array) -> Array:
        """Return V h + c from the h part of the state."""
        return matvec(params.V, self.output(params, h)) + params.c

    def output(self, params: ProjectedParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: the h part of the state."""
        return h[: self.n_projected]

    def advance(self, params: ProjectedParams, h: Array, d: Array) -> Array:
        """Return the new state, equations (1) and (2), from the old one and the drive."""
        i, f, g, o = jnp.split(matvec(params.W, self.output(params, h)) + d, 4)
        memory = logistic(f) * h[self.n_projected :] + logistic(i) * tanh(g)
        return jnp.concatenate([matvec(params.R, logistic(o) * tanh(memory)), memory])
