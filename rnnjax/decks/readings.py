"""The readings of two formulas of C. Yuan's slides, by the names that docs/decks.md gives them.

Names and words need no JAX; what they stand for is loaded when it is asked for.
"""

from collections.abc import Callable, Mapping
from typing import Any

import rnnjax
from rnnjax import decks
from rnnjax.errors import one_of
from rnnjax.lazy import optax

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

_MULTIPLIERS: Mapping[str, Callable[[], Any]] = {
    "literal": lambda: decks.ratios.Literal(),
    "safe": lambda: decks.ratios.Safeguarded(),
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
