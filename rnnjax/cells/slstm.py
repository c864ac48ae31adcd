"""The sLSTM: an LSTM with an exponential input gate, a normaliser and a stabiliser.

With s the logistic function, l(f) = ln s(f) and gates stacked in one matrix,

  i, f, z, o = W h + U x + b                                                     (1)
  m' = max(l(f) + m, i), or i for a unit without a past, n = 0                   (2)
  c' = exp(l(f) + m - m') c + exp(i - m') tanh(z)                                (3)
  n' = exp(l(f) + m - m') n + exp(i - m')                                        (4)
  h' = s(o) c' / n'                                                              (5)
  y  = V h + c_y                                                                 (6)

Beck et al., xLSTM: Extended long short-term memory, NeurIPS 2024, arXiv 2405.04517, with the
sigmoid forget gate of their code, which applies the second case of (2) if all units are without a
past, here unit by unit. Its start is gain 0 with the biases of `powerlaw_forget_bias`, and its W is
block-diagonal by heads (a scheme `recurrent` may be).

The stabiliser m is a matter of coordinates: C = exp(m) c and N = exp(m) n obey

  C' = s(f) C + exp(i) tanh(z),   N' = s(f) N + exp(i),   h' = s(o) C' / N'      (7)

which are the equations where it is left out. h_t does not depend on m, nor does any gradient: m is
the unit in which c and n are given, and like other choices of a unit it has no derivative here.
J_t is that of (7) in units of exp(m) at either end. Without memory mixing, W = 0, C and N of a unit
have the exponent E l(f) each; c and n have E l(f) - lim m_t / t, which is the same, since m is
bounded where inputs are; h and m have -inf.

By (2) to (4) n' >= 1 for all t, so that max(|n'|, 1) in place of n' would change nothing. Other
implementations have it without the second case of (2), where it does: `floor`. The stabiliser then
shows in outputs, as m decides which n are below 1, and has a derivative.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.cells.gated import GatedParams, stacked
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import COUNT, KEY, Number, arguments
from rnnjax.slopes import logistic, tanh
from rnnjax.types import Array


@fields.dataclass
class SLSTM:
    """sLSTM, equations (1) to (6); the state is [h, c, n, m], n_h = 4 n_units.

    Attributes:
      n_x: inputs.
      n_units: memory cells.
      n_y: outputs.
      recurrent: (key, n) -> initial W / gain of each gate.
      gain: factor of the initial W; 0 in the published start.
      forget_bias: initial bias of the forget gate, () or (n_units,), see `powerlaw_forget_bias`.
      stabilised: whether the stabiliser is carried; if not, equation (7) with the state [h, C, N],
        n_h = 3 n_units, whose entries leave the range of the dtype where exp(i) does.
      floor: whether h' = s(o) c' / max(|n'|, 1), and the first step is as any other.
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    recurrent: Callable[[Array, int], Array] = fields.function(
        default=initial_weights.gaussian, form="(key, n) -> (n, n)"
    )
    gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=1.0)
    stabilised: bool = fields.flag(default=True)
    floor: bool = fields.flag(default=False)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = parts.recurrent_weights

    @property
    def n_h(self) -> int:
        """State entries: h, c, n and, with a stabiliser, m."""
        return (4 if self.stabilised else 3) * self.n_units

    @property
    def traits(self) -> Traits:
        """What the coordinates say of the state; nothing depends on a unit of measure."""
        return Traits(
            bounded=self.stabilised,
            entries_per_unit=4 if self.stabilised else 3,
            n_unread=self.n_units if self.stabilised and not self.floor else 0,
        )

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedParams:
        """Draw parameters, gates in the order i, f, z, o; biases but for that of f are 0."""
        n = self.n_units
        params = stacked(key, 4, n, self.n_x, self.n_y, self.gain, self.recurrent)
        return params._replace(b=params.b.at[n : 2 * n].set(self.forget_bias))

    def readout(self, params: GatedParams, h: Array) -> Array:
        """Return y, equation (6), from the h part of the state."""
        return matvec(params.V, h[: self.n_units]) + params.c

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through W: the h part of the state."""
        return h[: self.n_units]

    def output(self, params: GatedParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: the h part of the state."""
        return self.presynaptic(h)

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return the new state, equations (2) to (5) or (7), from the old one and i, f, z, o."""
        i, f, candidate, o = jnp.split(z, 4)
        _, c, n, *m = jnp.split(h, self.n_h // self.n_units)
        if self.stabilised:
            old_m, new_m = self._stabilisers(i, f, n, m[0])
            keep, enter = _below_overflow(_log_sigmoid(f) + old_m - new_m), jnp.exp(i - new_m)
            m = [new_m]
        else:
            keep, enter = logistic(f), jnp.exp(i)
        c, n = keep * c + enter * tanh(candidate), keep * n + enter
        normaliser = jnp.maximum(jnp.abs(n), 1) if self.floor else n
        return jnp.concatenate([logistic(o) * c / normaliser, c, n, *m])

    def _stabilisers(self, i: Array, f: Array, n: Array, m: Array) -> tuple[Array, Array]:
        """Return m and m', equation (2)."""
        largest = jnp.maximum(_log_sigmoid(f) + m, i)
        if self.floor:
            return m, largest
        units: tuple[Array, Array] = jax.lax.stop_gradient((m, jnp.where(n == 0, i, largest)))
        return units


def _log_sigmoid(f: Array) -> Array:
    """Return ln s(f), exact however far the gate is open or closed."""
    return -jax.nn.softplus(-f)


def _below_overflow(log: Array) -> Array:
    """Return exp(log), whose argument is above 0 only for a unit without a past: 0 inf is NaN."""
    return jnp.exp(jnp.minimum(log, 0.9 * math.log(jnp.finfo(log.dtype).max)))


@arguments(n=COUNT, depth=Number(at_least=0, at_most=1))
def powerlaw_forget_bias(n: int, depth: Any = 0.0) -> Array:
    """Return the published forget biases of a layer, from 5 down to -7, (n,).

    b_k = 5 - 12 (k / (n - 1))^(0.3 + 1.3 depth), k = 0, .., n - 1.

    Args:
      n: units.
      depth: where the layer stands, 0 for the first and 1 for the last.

    Raises:
      ValueError: n or depth does not fit.
    """
    return 5 - 12 * (jnp.arange(n) / max(n - 1, 1)) ** (0.3 + 1.3 * depth)
