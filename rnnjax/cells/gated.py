"""Gated networks: LSTM, GRU and the minimal gated unit.

With s the logistic function and gates stacked in one matrix each,

LSTM, state [h, c] (Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997;
forget gate: Gers, Schmidhuber and Cummins, Learning to forget, Neural Computation, 2000):
  i, f, g, o = W h + U x + b
  c' = s(f) c + s(i) tanh(g)                                             (1)
  h' = s(o) tanh(c')                                                     (2)

GRU (Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014; with the
reset gate behind the matrix product, as in cuDNN and flax):
  r, z, n = U x + b,  r_h, z_h, n_h = W h
  n' = tanh(n + s(r + r_h) (n_h + b_n))                                  (3)
  h' = (1 - s(z + z_h)) n' + s(z + z_h) h                                (4)

Minimal gated unit (Zhou, Wu, Zhang and Zhou, Minimal gated unit for recurrent neural networks,
International Journal of Automation and Computing, 2016):
  f  = s(W_f h + U_f x + b_f)                                            (5)
  h' = (1 - f) h + f tanh(W_g (f h) + U_g x + b_g)                       (6)

The output is y = V h + c.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.cells import initial_weights, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments
from rnnjax.slopes import logistic, shares, tanh
from rnnjax.types import Array

Scheme = Callable[[Array, int], Array]


class GatedParams(NamedTuple):
    """Stacked gate weights of a gated network with m gates and n units.

    Attributes:
      W: recurrent weights, (m n, n).
      U: input weights, (m n, n_x).
      b: biases, (m n,).
      V: readout weights, (n_y, n).
      c: readout bias, (n_y,).
    """

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array


class GRUParams(NamedTuple):
    """`GatedParams` and the bias b_n (n,) inside the reset of equation (3)."""

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array
    b_n: Array


def stacked(
    key: Array, n_gates: int, n: int, n_x: int, n_y: int, gain: Array | float, recurrent: Scheme
) -> GatedParams:
    """Draw gate weights: each W block by the scheme times gain, U ~ N(0, 1/n_x), biases 0."""
    key_w, key_io = jax.random.split(key)
    blocks = jax.vmap(lambda k: recurrent(k, n))(jax.random.split(key_w, n_gates))
    U, V = initial_weights.normals(key_io, (n_gates * n, n_x), (n_y, n))
    return GatedParams(
        W=gain * blocks.reshape(n_gates * n, n),
        U=U / math.sqrt(n_x),
        b=jnp.zeros(n_gates * n),
        V=V / math.sqrt(n),
        c=jnp.zeros(n_y),
    )


@fields.dataclass
class LSTM:
    """Long short-term memory, equations (1) and (2); the state is [h, c], n_h = 2 n_units.

    Attributes:
      n_x: inputs.
      n_units: memory cells.
      n_y: outputs.
      recurrent: (key, n) -> initial W / gain of each gate.
      gain: factor of the initial W.
      forget_bias: initial bias of the forget gate, () or (n_units,).
    """

    n_x: int = fields.count()
    n_units: int = fields.count()
    n_y: int = fields.count(default=1)
    recurrent: Scheme = fields.function(default=initial_weights.gaussian, form="(key, n) -> (n, n)")
    gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=1.0)
    traits = Traits(bounded=True, entries_per_unit=2)

    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    recurrent_weights = parts.recurrent_weights

    @property
    def n_h(self) -> int:
        """State entries: h and c."""
        return 2 * self.n_units

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedParams:
        """Draw parameters."""
        n = self.n_units
        params = stacked(key, 4, n, self.n_x, self.n_y, self.gain, self.recurrent)
        return params._replace(b=params.b.at[n : 2 * n].set(self.forget_bias))

    def readout(self, params: GatedParams, h: Array) -> Array:
        """Return V h + c from the h part of the state."""
        return matvec(params.V, h[: self.n_units]) + params.c

    def presynaptic(self, h: Array) -> Array:
        """Return what the units send one another through W: the h part of the state."""
        return h[: self.n_units]

    def output(self, params: GatedParams, h: Array) -> Array:
        """Return what a layer sends on to the next one: the h part of the state."""
        return self.presynaptic(h)

    def step_from_preactivation(self, h: Array, z: Array) -> Array:
        """Return the new state, equations (1) and (2), from the old one and i, f, g, o."""
        at = _let_through(z)
        memory = at["forget"] * h[self.n_units :] + at["input"] * at["candidate"]
        return jnp.concatenate([at["output"] * tanh(memory), memory])

    def gates(self, params: GatedParams, h: Array, x: Array) -> dict[str, Array]:
        """Return what the gates of a step let through, for showing it.

        Args:
          params: parameters.
          h: the state before the step, (n_h,).
          x: its input, (n_x,).

        Returns:
          (n_units,) each: "input" s(i), "forget" s(f) and "output" s(o) in (0, 1), and "candidate"
          tanh(g) in (-1, 1), of equations (1) and (2).
        """
        return _let_through(matvec(params.W, self.presynaptic(h)) + self.drive(params, x))


def _let_through(z: Array) -> dict[str, Array]:
    i, f, g, o = jnp.split(z, 4)
    gates = {"input": logistic(i), "forget": logistic(f), "output": logistic(o)}
    return {**gates, "candidate": tanh(g)}


@fields.dataclass
class GRU:
    """Gated recurrent unit, equations (3) and (4).

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
    recurrent: Scheme = fields.function(default=initial_weights.gaussian, form="(key, n) -> (n, n)")
    gain: Array | float = fields.number(default=1.0)
    forget_bias: Array | float = fields.number(default=0.0)

    traits = Traits(bounded=True)
    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> GRUParams:
        """Draw parameters."""
        n = self.n_h
        params = stacked(key, 3, n, self.n_x, self.n_y, self.gain, self.recurrent)
        params = params._replace(b=params.b.at[n : 2 * n].set(self.forget_bias))
        return GRUParams(*params, b_n=jnp.zeros(n))

    def advance(self, params: GRUParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        r_x, z_x, n_x = jnp.split(d, 3)
        r_h, z_h, n_h = jnp.split(matvec(params.W, h), 3)
        candidate = tanh(n_x + logistic(r_x + r_h) * (n_h + params.b_n))
        kept, entering = shares(z_x + z_h)
        return entering * candidate + kept * h


@fields.dataclass
class MinimalGated:
    """Minimal gated unit, equations (5) and (6).

    Attributes:
      n_x: inputs.
      n_h: units.
      n_y: outputs.
      recurrent: (key, n) -> initial W / gain of each gate.
      gain: factor of the initial W.
    """

    n_x: int = fields.count()
    n_h: int = fields.count()
    n_y: int = fields.count(default=1)
    recurrent: Scheme = fields.function(default=initial_weights.gaussian, form="(key, n) -> (n, n)")
    gain: Array | float = fields.number(default=1.0)

    traits = Traits(bounded=True)
    initial_state = parts.initial_state
    step = parts.step
    drive = parts.drive
    readout = parts.readout

    @arguments(key=KEY)
    def init(self, key: Array) -> GatedParams:
        """Draw parameters."""
        return stacked(key, 2, self.n_h, self.n_x, self.n_y, self.gain, self.recurrent)

    def advance(self, params: GatedParams, h: Array, d: Array) -> Array:
        """Return h_t from h_{t-1} and the drive."""
        d_f, d_g = jnp.split(d, 2)
        W_f, W_g = jnp.split(params.W, 2)
        z = matvec(W_f, h) + d_f
        f, kept = shares(z)
        return kept * h + f * tanh(matvec(W_g, f * h) + d_g)
