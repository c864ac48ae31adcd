"""The ways to train that slides of C. Yuan (2022) compare, and controls, as arms of one program.

An arm is a few numbers: whether errors go back through time (delta x), whether an eligibility ratio
scales the steps, and which control takes the place of either. Arms that share a rule differ in
numbers only, so a network is trained in all of them side by side.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax import updates
from rnnjax.decks import ratios
from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
from rnnjax.decks.rules.forward_delta_x import ForwardDeltaX
from rnnjax.decks.rules.matched_length import MatchedLength
from rnnjax.rules import BPTT
from rnnjax.types import Array, Rule


class Arm(NamedTuple):
    """The numbers of one way to train.

    Attributes:
      decay: 0 without delta x.
      ratio: 0 none, 1 literal, 2 safeguarded.
      matched: 1 if the step is the plain one, made as long as the scaled one.
      momentum: of the descent; the learning rate is reduced by 1 - momentum.
      rprop: 1 for Rprop in place of descent, its first step a tenth of the rate.
      forward: 1 if delta x is the literal one, added to the output going forward.
    """

    decay: float = 1
    ratio: float = 0
    matched: float = 0
    momentum: float = 0
    rprop: float = 0
    forward: float = 0


ARMS = {
    "rnn": Arm(decay=0),
    "et_literal": Arm(decay=0, ratio=1),
    "et_safe": Arm(decay=0, ratio=2),
    "dx_literal": Arm(forward=1),
    "dx": Arm(),
    "et_dx_both_literal": Arm(ratio=1, forward=1),
    "et_dx_literal": Arm(ratio=1),
    "et_dx_safe": Arm(ratio=2),
    "matched": Arm(ratio=2, matched=1),
    "momentum": Arm(momentum=0.9),
    "rprop": Arm(rprop=1),
}


def by_arm(
    after: Callable[[Rule, optax.GradientTransformation], Array], learning_rates: list[float]
) -> Array:
    """Find something after training in every arm with every learning rate.

    Args:
      after: (rule, optimiser) -> what is found, an array.
      learning_rates: the rates.

    Returns:
      (arm, learning rate, ...), arms in the order of `ARMS`.
    """

    def found(arm: Arm, rate: Array, inner: Callable[[Arm], Rule]) -> Array:
        return after(_rule(inner(arm), arm), _optimiser(arm, rate))

    rules = (lambda arm: BPTT(decay=arm.decay), lambda arm: ForwardDeltaX())
    by_name: dict[str, Array] = {}
    for forward, inner in enumerate(rules):
        family = {name: arm for name, arm in ARMS.items() if arm.forward == forward}
        arms = jax.tree.map(lambda *numbers: jnp.array(numbers, float), *family.values())
        by_rate = jax.vmap(lambda arm, rate, inner=inner: found(arm, rate, inner), (None, 0))
        of_family = jax.vmap(by_rate, (0, None))(arms, jnp.array(learning_rates))
        by_name |= dict(zip(family, of_family, strict=True))
    return jnp.stack([by_name[name] for name in ARMS])


def _rule(inner: Rule, arm: Arm) -> Rule:
    """Return an eligibility ratio chosen by number, and its length on plain steps."""
    literal, safe = ratios.Literal(), ratios.Safeguarded()

    def chosen(newer: Array, older: Array) -> Array:
        scaled = jnp.where(arm.ratio == 1, literal(newer, older), safe(newer, older))
        return jnp.where(arm.ratio == 0, 1.0, scaled)

    return MatchedLength(EligibilityRatio(inner, chosen), arm.matched)


def _optimiser(arm: Arm, learning_rate: Array) -> optax.GradientTransformation:
    """Return descent with momentum, or Rprop."""
    scale = optax.scale(-(1 - arm.momentum) * learning_rate)
    descent = optax.chain(optax.trace(arm.momentum), scale)
    return updates.chosen(jnp.asarray(arm.rprop), descent, optax.rprop(0.1 * learning_rate))
