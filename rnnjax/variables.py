"""The variables that probes and analyses return: their inner dimensions, names and units.

One name stands for one quantity throughout the package. An experiment takes the declarations of
what it measures from here, `named("log_norm", "horizon")`, and adds its own. Imports no jax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rnnjax.errors import one_of


@dataclass(frozen=True)
class Variable:
    """One measured quantity of a cell of a sweep.

    Args:
        dims: inner dimensions, keys of the experiment's ``coordinates``; the axes come before.
        long_name: its name in figures and notebooks.
        units: its unit, ``"1"`` for none.
        infinite: what +inf means: ``"overflow"``, or ``"beyond"`` the window that was measured.
        finite: whether a cell with a value that is not finite counts as failed.
    """

    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    infinite: Literal["overflow", "beyond"] = "overflow"
    finite: bool = False


_BY_STEP_SIZE = ("descent", "step_size")
_WATCHED = "over weights and steps of the first cycles of plain descent"
VARIABLES: dict[str, Variable] = {
    "log_norm": Variable(("lag",), "natural log of ||dL_T/dh_{T-lag}||", "nat"),
    "log_norm_by_length": Variable(("length",), "natural log of ||dL_length/dh_0||", "nat"),
    "horizon": Variable((), "first lag with the norm well below lag 0", "step", infinite="beyond"),
    "growth_rate": Variable((), "mean change of log_norm from lag to lag", "nat/step"),
    "growth_rate_error": Variable((), "standard error of growth_rate", "nat/step"),
    "e_folding_time": Variable((), "-1 / growth_rate", "step"),
    "e_folding_time_error": Variable((), "standard error of e_folding_time", "step"),
    "first_non_finite_step": Variable((), "first t with h_t not finite, -1 if none", "step"),
    "quadratic_rate": Variable(_BY_STEP_SIZE, "x_k / x_{k-1} late on a quadratic, inf if lost"),
    "overflow_step": Variable(
        _BY_STEP_SIZE, "first k with x_k not finite on a quadratic", "step", infinite="beyond"
    ),
    "steps_to_goal": Variable(
        ("optimiser",), "k with |x_k| <= 1e-6 at a = 0.05", "step", infinite="beyond"
    ),
    "recursive_multiplier": Variable(
        ("growth", "step"), "multipliers of growth^t, recursive reading"
    ),
    "multiplier_median": Variable(("reading",), f"literal multiplier, median {_WATCHED}"),
    "multiplier_negative": Variable(("reading",), f"share of negative multipliers {_WATCHED}"),
    "multiplier_above": Variable(("reading",), f"share with |m| > 1.75 {_WATCHED}"),
    "multiplier_largest": Variable(("reading",), f"largest |m| {_WATCHED}"),
}
"""By name; `tests/probes/test_variables.py` compares them with what the probes return."""


def named(*names: str) -> dict[str, Variable]:
    """The declarations of these variables.

    Raises:
        ValueError: there is none of a name.
    """
    for name in names:
        if name not in VARIABLES:
            raise ValueError(one_of(name, VARIABLES))
    return {name: VARIABLES[name] for name in names}
