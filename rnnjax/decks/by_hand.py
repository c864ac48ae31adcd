"""Networks that are built by hand: one that remembers the last dinner, and forget gates.

  o_t = f(k P (dinner_{t-1} + o_{t-1}))                                            (1)

P passes every dinner on to the next one of the cycle, k is the feedback gain. Away from home the
network has nothing but its last prediction. `rnnjax.analysis.log_margins` has the theory.
"""

import jax
import jax.numpy as jnp

from rnnjax import analysis, scan
from rnnjax.activations import Activation, activation_named
from rnnjax.cells import LSTM, GatedParams, Vanilla, VanillaParams
from rnnjax.decks.tasks.dinner import CYCLE, Dinner
from rnnjax.decks.theory.ring import SQUASHINGS, Squashing
from rnnjax.types import Array

_N_ROUNDINGS = 8  # a margin of so few is none


def dinner_ring(
    activation: Activation, gain: Array | float, bias: Array | float = 0.0
) -> tuple[Vanilla, VanillaParams]:
    """Construct the network (1) as a vanilla cell with its parameters.

    Args:
      activation: f.
      gain: k times the steepness of f.
      bias: added to the argument of f.
    """
    W = gain * jnp.asarray(CYCLE, float)
    V, b, c = jnp.eye(3), jnp.full(3, bias), jnp.zeros(3)
    return Vanilla(3, 3, 3, activation=activation), VanillaParams(W, W, b, V, c)


def away(
    activation: Activation, gain: Array | float, bias: Array | float, n_nights: int
) -> tuple[Array, Array, Array]:
    """Follow the network (1) through nights away from home.

    After pizza, plain arithmetic is followed until nothing but rounding is left of the margin.

    Args:
      activation: f, tanh or sigmoid.
      gain: k times the steepness of f.
      bias: added to the argument of f.
      n_nights: T.

    Returns:
      o_t after each known dinner, (3, T, 3); ln of the right dinner minus the best other one,
      (T,); the first night with no margin but rounding, inf if there is none, ().
    """
    cell, params = dinner_ring(activation, gain, bias)
    nights = jax.vmap(Dinner(length=n_nights).away)(jnp.arange(3))
    o = jax.vmap(lambda x: scan.outputs(cell, params, x))(nights.x)
    right, of_pizza = nights.y[0] > 0, o[0]
    value = jnp.sum(jnp.where(right, of_pizza, 0), -1)
    margin = value - jnp.max(jnp.where(right, -jnp.inf, of_pizza), -1)
    rounding = _N_ROUNDINGS * jnp.finfo(o.dtype).eps * jnp.max(jnp.abs(of_pizza), -1)
    k, b = jnp.asarray(gain), jnp.asarray(bias)
    log_margin = analysis.log_margins(activation, k, b, n_nights)
    return o, log_margin, first_night(margin <= rounding)


def away_by_gain(gains: Array, n_nights: int) -> tuple[Array, Array, Array]:
    """Follow the network (1) by every way to squash of `decks.ring` and every gain.

    Args:
      gains: k, (n_gain,).
      n_nights: T.

    Returns:
      o_t of f = tanh, (n_gain, 3, T, 3); ln margins, (n_squashing, n_gain, T); first nights with no
      margin but rounding, (n_squashing, n_gain).
    """

    def of(squashing: Squashing) -> tuple[Array, Array, Array]:
        name, steepness, bias, of_gain = squashing
        f = activation_named(name)
        return jax.vmap(lambda k: away(f, steepness * k, bias + of_gain * k, n_nights))(gains)

    found = {name: of(squashing) for name, squashing in SQUASHINGS.items()}
    _, log_margin, forgotten = zip(*found.values(), strict=True)
    return found["tanh(kz)"][0], jnp.stack(log_margin), jnp.stack(forgotten)


def first_night(wrong: Array) -> Array:
    """Return the first night, from 1, at which something is wrong, (...); inf if it never is.

    Args:
      wrong: bool, (..., T).
    """
    return jnp.where(wrong.any(-1), jnp.argmax(wrong, -1) + 1.0, jnp.inf)


def forgotten(memory: float = 0.8) -> Array:
    """Return what is left of a memory behind forget gates that are open, half open and shut, (3,).

    Args:
      memory: of all three units of an LSTM.
    """
    opened, shut = 100.0, -100.0  # 1 and 0 to rounding
    b = jnp.array([shut] * 3 + [opened, 0.0, shut] + [0.0] * 6)
    W, U, V, c = jnp.zeros((12, 3)), jnp.zeros((12, 1)), jnp.zeros((1, 3)), jnp.zeros(1)
    h = jnp.array([0.0] * 3 + [memory] * 3)
    return LSTM(1, 3).step(GatedParams(W, U, b, V, c), h, c)[3:]
