"""Online rules: the gradient step by step as the network runs, without a look back.

  memory_t, gradient_t = step(memory_{t-1}, what happens at t)                 (1)
  dL/dw ~ sum_t gradient_t + sum_t dl_t/dw  (through the readout)              (2)

A rule of this kind is an `rnnjax.rules.online_rule.OnlineRule`. The past is not kept: memory does
not grow with T. In training with an update at every step (`rnnjax.train_online`) each step is
prepared by itself; over a sequence with fixed weights a piece of it is prepared at once
(`rnnjax.rules.over_sequence`), since many small products in a loop cost many times what they cost
side by side.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import gradient, scan
from rnnjax.rules.influence import Blocks
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch


class ObservedStep(NamedTuple):
    """One step of a network and the loss that fell due at it.

    Attributes:
      trajectory: the step, leaves without T.
      batch: input, target and weight of the step, leaves without T.
      loss: l_t, ().
      g: the learning signal dl_t/dh_t, value (n_h,).
      noise: the rule's random numbers of this step; None if it needs none.
    """

    trajectory: Trajectory
    batch: Batch
    loss: Array
    g: Scaled
    noise: Any


class Carried(NamedTuple):
    """What an online rule carries from sequence to sequence.

    Attributes:
      key: of its noise; None if it needs none.
      learned: what it has learned about the network; () if it learns nothing.
    """

    key: Array | None
    learned: Any


def observe(
    rule: Any, problem: Problem, h: Scaled, batch: Batch, noise: Any
) -> tuple[Scaled, ObservedStep]:
    """Run the steps of a piece from h, (n_h,); return the last state and what was observed.

    Args:
      rule: an `rnnjax.rules.online_rule.OnlineRule`; gives the learning signals.
      problem: the network and its loss.
      h: the state before the first step.
      batch: the steps, with their `counts`.
      noise: the rule's random numbers for them.
    """
    cell, _, params = problem
    trajectory = scan.steps(cell, params, batch.x, h, counts=batch.counts)
    losses, g = rule.signals(problem, trajectory.plain, batch)
    last = jax.tree.map(lambda a: a[-1], trajectory.states)
    return last, ObservedStep(trajectory, batch, losses, g, noise)


def advance(
    rule: Any, problem: Problem, carry: tuple[Scaled, Any], batch: Batch, noise: Any
) -> tuple[tuple[Scaled, Any], tuple[ObservedStep, Blocks]]:
    """Go S steps; return (state, memory) behind them, the steps and gradients, leaves (S, ...).

    The gradients are those of the recurrent weights.
    """
    h, memory = carry
    last, observed = observe(rule, problem, h, batch, noise)
    prepared = jax.vmap(lambda at: rule.prepare(problem, at))(observed)
    learns = learns_within(rule, memory)

    def step(memory: Any, at: tuple[Any, Array]) -> tuple[Any, Blocks]:
        now, counts = at
        new, grads = rule.step(problem, memory, now)
        if rule.step_axis == "use":
            # What a rule predicts of the future at the end of a sequence is about nothing.
            grads = {i: Scaled(jnp.where(counts, g.value, 0), g.exponent) for i, g in grads.items()}
        # Nothing is learned behind the end of a sequence.
        new = jax.tree.map(partial(jnp.where, counts), new, memory) if learns else new
        # Where states are narrower than parameters, memory stays as narrow.
        return jax.tree.map(lambda a, like: a.astype(like.dtype), new, memory), grads

    steps = (prepared, batch.counts)
    if len(batch.x) == 1:
        # A loop of one turn would be compiled as a loop.
        memory, grads = step(memory, jax.tree.map(lambda a: a[0], steps))
        grads = jax.tree.map(lambda a: a[None], grads)
    else:
        memory, grads = jax.lax.scan(step, memory, steps)
    return (last, memory), (observed, grads)


def learns_within(rule: Any, memory: Any) -> bool:
    """Return whether what outlives a sequence changes within it: patterns of weights do not."""
    learned = jax.tree.leaves(rule.learned(memory))
    return any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in learned)


def through_readout(problem: Problem, observed: ObservedStep, *, per_step: bool) -> Blocks:
    """Return the gradient through the readout of S steps, or of each of them."""

    def gradient_of(h: Array, batch: Batch) -> Blocks:
        cell, loss, params = problem
        return gradient.through_readout(cell, loss, params, h, batch)

    steps = (observed.trajectory.plain, observed.batch)
    if not per_step:
        return gradient_of(*steps)
    return jax.vmap(gradient_of)(*jax.tree.map(lambda a: a[:, None], steps))


def start(
    rule: Any, problem: Problem, x: Array, state: Carried
) -> tuple[tuple[Scaled, Any], Array | None, Array | None]:
    """Return (state, memory) at the start of a sequence, the key of its noise and the next key."""
    h = scan.initial(problem.cell, problem.params)
    carry = h, rule.begin(problem, x, state.learned)
    if state.key is None:
        return carry, None, None
    now, later = jax.random.split(state.key)
    return carry, now, later
