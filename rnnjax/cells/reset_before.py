"""The GRU whose reset gate acts on the state before the matrix product, as first published.

  r = s(W_r h + U_r x + b_r),  z = s(W_z h + U_z x + b_z)
  n = tanh(W_n (r h) + U_n x + b_n)                                              (1)
  h' = (1 - z) n + z h                                                           (2)

Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014; Keras'
``reset_after=False``. `rnnjax.GRU` has the gate behind the product.
"""

from collections.abc import Callable

import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.cells.gated import GatedParams, stacked
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import logistic, shares, tanh
from rnnjax.types import Array


@fields.dataclass
class ResetBeforeGRU:
    """Equations (1) and (2); gates are stacked in the order r, z, n.

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      recurrent: (key, n) -> initial W / gain of each gate.
      gain: factor of the initial W.
      forget_bias: initial bias of the gate z, which keeps the state where it is open; () or (n_h,).
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    recurrent: Callable[[Array, int], Array] = fields.function(
        default=initial_weights.gaussian, form="(key, n) -> (n, n)"
    )
    gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)

    traits = Traits(bounded=True)
    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedParams:
        """Draw parameters."""
        n = self.n_h
        params = stacked(key, 3, n, self.n_x, self.n_y, self.gain, self.recurrent)
        return params._replace(b=params.b.at[n : 2 * n].set(self.forget_bias))

    def advance(self, params: GatedParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        n = self.n_h
        r, z = jnp.split(matvec(params.W[: 2 * n], h) + d[: 2 * n], 2)
        candidate = tanh(matvec(params.W[2 * n :], logistic(r) * h) + d[2 * n :])
        kept, entering = shares(z)
        return entering * candidate + kept * h
