"""The Jordan network: its state is its output, fed back as an input.

  h_t = s(W [x_t, o_{t-1}] + b)                     (1)
  o_t = s(V h_t + c)                                (2)
  J_t = diag(s'_o) V diag(s'_h) W_o                 (3)   W_o: the columns of W for o_{t-1}

Only the outputs listed in `feedback` are fed back; they stand behind the inputs, in that order.
Jordan, Serial order: a parallel distributed processing approach, 1986.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjax import activations, fields
from rnnjax.activations import Activation, with_slope
from rnnjax.cells import initial_weights, parts
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, Kind, arguments, refusal
from rnnjax.tangents import Composed, leaky
from rnnjax.types import Array, Point


class JordanParams(NamedTuple):
    """o' = s(V s(W [x, o] + b) + c).

    Attributes:
      W: hidden weights, (n_hidden, n_x + n_feedback).
      b: hidden bias, (n_hidden,).
      V: output weights, (n_y, n_hidden).
      c: output bias, (n_y,).
    """

    W: Array
    b: Array
    V: Array
    c: Array


def _is_outputs(value: Any) -> bool:
    return value is None or (
        isinstance(value, tuple)
        and all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in value)
    )


_OUTPUTS = Kind(_is_outputs, "a tuple of whole numbers or None")


@fields.dataclass
class Jordan:
    """A Jordan network, equations (1) and (2); the state is the output, n_h = n_y.

    Attributes:
      n_x: inputs beside the fed-back outputs.
      n_hidden: hidden units.
      n_y: outputs.
      feedback: the outputs that are fed back; all if None.
      activation: s.
      gain: factor of the initial weights of the fed-back outputs.
      start: o_0, every entry.
      spread: standard deviation of the initial weights, >= 0; 1 over the root of the number of
        a unit's inputs if None.
    """

    n_x: int = fields.count()
    n_hidden: int = fields.count()
    n_y: int = fields.count()
    feedback: tuple[int, ...] | None = fields.declared(_OUTPUTS, default=None, static=True)
    activation: Activation = activations.field(default=activations.sigmoid)
    gain: Array | float = fields.number(default=1.0)
    start: Array | float = fields.number(default=0.0)
    spread: Array | float | None = fields.number(default=None, at_least=0, optional=True)
    layers = (("b", ("W", "b")), ("c", ("V", "c")))  # bias, parameters of its units

    step = parts.step

    def __post_init__(self) -> None:
        if not all(0 <= i < self.n_y for i in self.fed_back):
            raise refusal("feedback", f"outputs between 0 and {self.n_y - 1}", self.feedback)

    @property
    def n_h(self) -> int:
        """State entries: the outputs."""
        return self.n_y

    @property
    def fed_back(self) -> tuple[int, ...]:
        """The outputs that are fed back."""
        return tuple(range(self.n_y)) if self.feedback is None else self.feedback

    @arguments(key=KEY)
    def init(self, key: Array) -> JordanParams:
        """Draw W and V with normal entries (see `spread`); biases are 0."""
        n_in = self.n_x + len(self.fed_back)
        W, V = initial_weights.normals(key, (self.n_hidden, n_in), (self.n_y, self.n_hidden))
        of_W = 1 / math.sqrt(n_in) if self.spread is None else self.spread
        of_V = 1 / math.sqrt(self.n_hidden) if self.spread is None else self.spread
        return JordanParams(
            W=W.at[:, self.n_x :].multiply(self.gain) * of_W,
            b=jnp.zeros(self.n_hidden),
            V=V * of_V,
            c=jnp.zeros(self.n_y),
        )

    def initial_state(self) -> Array:
        """Return o_0, (n_y,)."""
        return jnp.full(self.n_y, self.start, dtype=float)

    def readout(self, params: JordanParams, h: Array) -> Array:
        """Return the state: it is the output."""
        return h

    def drive(self, params: JordanParams, x: Array) -> Array:
        """Return the part of the hidden units' input that comes from x, (n_hidden,)."""
        return matvec(params.W[:, : self.n_x], x) + params.b

    def advance(self, params: JordanParams, h: Array, d: Array) -> Array:
        """Return o_t from o_{t-1} and the drive."""
        z = matvec(params.W[:, self.n_x :], h[self._slots]) + d
        hidden = with_slope(self.activation, z)
        return with_slope(self.activation, matvec(params.V, hidden) + params.c)

    @property
    def _slots(self) -> Array:
        return jnp.array(self.fed_back, dtype=int)

    def linearize(self, params: JordanParams, at: Point, *, by_row: bool = False) -> Composed:
        """Return J_t, equation (3), accurate under saturation."""
        W = params.W[:, self.n_x :]
        of_state = jnp.zeros((len(W), self.n_y), W.dtype).at[:, self._slots].add(W)
        z = matvec(W, at.h[self._slots]) + at.drive
        inner = leaky(self.activation, of_state, z)
        z = matvec(params.V, self.activation(z)) + params.c
        return Composed((inner, leaky(self.activation, params.V, z, by_row=by_row)))
