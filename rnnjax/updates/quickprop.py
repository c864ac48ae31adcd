"""Quickprop: each weight jumps to where a parabola through its last two slopes has its minimum.

  s_k = s_{k-1} g_k / (g_{k-1} - g_k)                        (1)
  |s_k| <= growth |s_{k-1}|                                  (2)

The step that (1) cannot give (the first one, or a stuck weight) is -rate g_k. Where the slope has
kept more than growth / (1 + growth) of itself, the step is (2) with equality: the minimum of the
parabola is too far away, or there is none; without a limit it is -rate g_k there. Fahlman,
Faster-learning variations on back-propagation: an empirical study, Proceedings of the 1988
Connectionist Models Summer School; his extra gradient term beside (1) is left out, because with it
a parabola is not solved in one jump.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax.ranges import Number, arguments
from rnnjax.types import Array


class QuickpropState(NamedTuple):
    """The last step and the slope before it.

    Attributes:
      step: s_{k-1}, a tree shaped as params.
      slope: g_{k-1}.
    """

    step: Any
    slope: Any


@arguments(rate=Number(at_least=0), growth=Number(above=0, infinite=True))
def quickprop(rate: Array | float, growth: Array | float = 1.75) -> optax.GradientTransformation:
    """Construct the optimiser of equations (1) and (2).

    Args:
      rate: learning rate of the steps that (1) cannot give, >= 0.
      growth: greatest ratio of successive steps, > 0; inf for none.

    Returns:
      an optax optimiser for plain gradients; its `init` refuses complex weights.
    """

    def one(g: Array, step: Array, slope: Array) -> Array:
        change = slope - g
        ratio = g / jnp.where(change == 0, 1, change)
        # Beyond the growth limit, and where the parabola opens downward (a slope that has grown
        # with its sign kept), the step is as long as is allowed.
        # By signs: products of small slopes leave the range of floats.
        opens_down = (jnp.sign(g) * jnp.sign(change) < 0) & (jnp.sign(g) * jnp.sign(slope) > 0)
        grown = (ratio > growth) | opens_down | (change == 0)
        ratio = jnp.where(grown, growth, jnp.maximum(ratio, -growth))
        # Without a growth limit there is no longest step to a minimum that does not exist.
        moved = (step != 0) & (slope != 0) & ~jnp.isinf(ratio)
        return jnp.where(moved, ratio * jnp.where(moved, step, 0), -rate * g)

    def init(params: Any) -> QuickpropState:
        if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(params)):
            raise ValueError("params: expected real weights, got complex ones, which have no slope")
        nothing = jax.tree.map(jnp.zeros_like, params)
        return QuickpropState(nothing, nothing)

    def update(grads: Any, state: QuickpropState, params: Any = None) -> tuple[Any, Any]:
        steps = jax.tree.map(one, grads, state.step, state.slope)
        return steps, QuickpropState(steps, grads)

    return optax.GradientTransformation(init, update)
