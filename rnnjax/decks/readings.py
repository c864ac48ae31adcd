"""The readings of two formulas of C. Yuan's slides, named as in docs/explanations/decks.md.

Names and words need no JAX; what they stand for is loaded when it is asked for.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import rnnjax
from rnnjax import decks
from rnnjax.errors import one_of
from rnnjax.lazy import optax
from rnnjax.variables import Variable

RATIOS: Mapping[str, str] = {
    "each_weight": "each weight, over time",
    "recursive": "each weight, over time, recursive",
    "each_unit": "each unit's delta, over time",
    "each_pair": "each weight of each pair, over time",
    "norms": "norm of the step, over time",
    "projection": "projection, over time",
    "cycles": "each weight, over cycles",
    "cycles_recursive": "each weight, over cycles, recursive",
    "cycles_norms": "norm, over cycles",
    "cycles_projection": "projection, over cycles",
}
"""Readings of dw_{1,t=3} = dw_{1,t=3} (dw_{1,t=2} / dw_{1,t=1}), in words."""

_OF = "over weights and steps of a training by plain descent"
RATIO_VARIABLES: Mapping[str, Variable] = {
    "quadratic_rate": Variable(
        ("descent", "step_size"), "x_k / x_{k-1} late in descent on a quadratic, inf if lost"
    ),
    "overflow_step": Variable(
        ("descent", "step_size"), "first k with x_k not finite", "step", infinite="beyond"
    ),
    "steps_to_goal": Variable(
        ("optimiser",), "k with |x_k| <= 1e-6 at a = 0.05", "step", infinite="beyond"
    ),
    "recursive_multiplier": Variable(
        ("growth", "step"), "multipliers of growth^t, recursive reading"
    ),
    "multiplier_median": Variable(("reading",), f"literal multiplier, median {_OF}"),
    "multiplier_negative": Variable(("reading",), f"share of negative multipliers {_OF}"),
    "multiplier_above": Variable(("reading",), f"share with |m| > 1.75 {_OF}"),
    "multiplier_largest": Variable(("reading",), f"largest |m| {_OF}"),
}
"""What `decks.ratio_in_closed_form` and `decks.multiplier_statistics` return."""

_MULTIPLIERS: Mapping[str, Callable[[], Any]] = {
    "literal": lambda: decks.ratios.Literal(),
    "safe": lambda: decks.ratios.Safeguarded(),
}
_ACCELERATED: Mapping[str, tuple[str, Callable[[float], Any]]] = {
    "plain": ("plain descent", lambda rate: optax.sgd(rate)),
    "faster": (r"plain, rate $\times$ 1.75", lambda rate: optax.sgd(1.75 * rate)),
    "trace": ("true trace, decay 0.5", lambda rate: optax.sgd(rate)),
    "aitken": ("Aitken, every 20 cycles", lambda rate: optax.chain(_aitken(), optax.sgd(rate))),
    "momentum": (r"momentum 0.9, rate $\times$ 0.2", lambda rate: optax.sgd(0.2 * rate, 0.9)),
    "quickprop": ("Quickprop", lambda rate: rnnjax.updates.quickprop(rate)),
    "rprop": ("Rprop", lambda rate: optax.rprop(0.05)),
}
_DELTA_X: Mapping[str, Callable[[], Any]] = {
    "none": lambda: rnnjax.rules.BPTT(window=1),
    "exact": lambda: rnnjax.rules.BPTT(),
    "target_shift": lambda: decks.TargetShift(),
    "stale": lambda: decks.StaleDeltaX(),
    "one_step": lambda: rnnjax.rules.BPTT(window=2),
    "literal": lambda: decks.ForwardDeltaX(),
    "literal_minus": lambda: decks.ForwardDeltaX(sign=-1.0),
    "literal_fed": lambda: decks.ForwardDeltaX(feeds=True),
    "behind_slope": lambda: decks.SlopelessDeltaX(),
    "teacher_forcing": lambda: rnnjax.rules.TeacherForcing(),
}
DELTA_X = tuple(_DELTA_X)
"""Names of the readings of o_t = o_t + delta x_{t-1}."""


_ON_A_QUADRATIC: Mapping[str, Callable[[], Any]] = {
    "plain": lambda: optax.sgd(1.0),
    "literal": lambda: _over_cycles(),
    "recursive": lambda: _over_cycles(recursive=True),
    "safe": lambda: _over_cycles(decks.ratios.Safeguarded()),
    "aitken": lambda: _over_cycles(decks.ratios.Extrapolated(), every=3),
    "momentum": lambda: optax.sgd(1.0, momentum=0.8),
    "quickprop": lambda: rnnjax.updates.quickprop(1.0),
    "quickprop_unlimited": lambda: rnnjax.updates.quickprop(1.0, math.inf),
}
ON_A_QUADRATIC = tuple(_ON_A_QUADRATIC)
"""Names of descents with and without the ratio over cycles, for `decks.descend`."""


def descent(name: str) -> Any:
    """Return an optimiser whose rate is 1, with or without the ratio over cycles.

    Args:
      name: one of `ON_A_QUADRATIC`.

    Raises:
      ValueError: there is no such descent.
    """
    if name not in _ON_A_QUADRATIC:
        raise ValueError(one_of(name, ON_A_QUADRATIC))
    return _ON_A_QUADRATIC[name]()


def _over_cycles(*multiplier: Any, **options: Any) -> Any:
    return optax.chain(decks.eligibility_ratio(*multiplier, **options), optax.sgd(1.0))


def ratio_words() -> dict[str, str]:
    """Return words for each reading of the ratio, as it stands and safeguarded, by name.

    Example:
      >>> ratio_words()["cycles_safe"]
      'each weight, over cycles: safe'
    """
    return {f"{name}_{form}": f"{RATIOS[name]}: {form}" for name in RATIOS for form in _MULTIPLIERS}


def with_ratio(name: str, rule: Any, optimiser: Any, layers: Any) -> tuple[Any, Any]:
    """Scale the steps of a rule, over time, or of an optimiser, over training cycles.

    Args:
      name: one of `ratio_words`, such as ``"each_unit_literal"``.
      rule: gives the gradient.
      optimiser: an optax optimiser.
      layers: those of the cell, for the ratio of each unit's delta.

    Returns:
      the rule and the optimiser, one of them with the ratio.

    Raises:
      ValueError: there is no such reading.
    """
    if name not in ratio_words():
        raise ValueError(one_of(name, ratio_words()))
    reading, form = name.rsplit("_", 1)
    of, multiplier = reading.removeprefix("cycles_"), _MULTIPLIERS[form]()
    options: Mapping[str, dict[str, Any]] = {
        "recursive": {"recursive": True},
        "each_unit": {"of": decks.ratios.EachUnit(layers), "mean_first": False},
        "each_pair": {"mean_first": False},
        "norms": {"of": decks.ratios.norms},
        "projection": {"of": decks.ratios.projection},
    }
    chosen = options.get(of, {})
    if reading.startswith("cycles"):
        return rule, optax.chain(decks.eligibility_ratio(multiplier, **chosen), optimiser)
    return decks.EligibilityRatio(rule, multiplier, **chosen), optimiser


def arm_words() -> dict[str, str]:
    """Return words for each arm of a comparison, controls before readings of the ratio, by name.

    Example:
      >>> arm_words()["trace"]
      'true trace, decay 0.5'
    """
    return {name: words for name, (words, _) in _ACCELERATED.items()} | ratio_words()


def arm(name: str, learning_rate: float, layers: Any) -> tuple[Any, Any]:
    """Return the learning rule and the optimiser of an arm of a comparison.

    Args:
      name: one of `arm_words`: a reading of the ratio on plain descent, or a control that is known
        to accelerate.
      learning_rate: of every arm but Rprop, whose first step is 0.05.
      layers: see `with_ratio`.

    Raises:
      ValueError: there is no such arm.
    """
    if name not in arm_words():
        raise ValueError(one_of(name, arm_words()))
    local = rnnjax.rules.BPTT(window=1)
    if name not in _ACCELERATED:
        return with_ratio(name, local, optax.sgd(learning_rate), layers)
    rule = rnnjax.rules.DiscountedRTRL(0.5) if name == "trace" else local
    return rule, _ACCELERATED[name][1](learning_rate)


def _aitken() -> Any:
    extrapolated, of = decks.ratios.Extrapolated(50.0), decks.ratios.projection
    return decks.eligibility_ratio(extrapolated, of, every=20)


def delta_x(name: str) -> Any:
    """Return the learning rule of a reading of delta x.

    Args:
      name: one of `DELTA_X`.

    Raises:
      ValueError: there is no such reading.
    """
    if name not in _DELTA_X:
        raise ValueError(one_of(name, DELTA_X))
    return _DELTA_X[name]()
