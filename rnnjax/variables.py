"""The variables that probes and analyses return: their inner dimensions, names and units.

One name stands for one quantity throughout the package. An experiment takes the declarations of
what it measures from here, `named("log_norm", "horizon")`, and adds its own. Imports no jax.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


VARIABLES: dict[str, Variable] = {
    "log_norm": Variable(("lag",), "natural log of ||dL_T/dh_{T-lag}||", "nat"),
    "log_norm_by_length": Variable(("length",), "natural log of ||dL_length/dh_0||", "nat"),
    "horizon": Variable((), "first lag with the norm well below lag 0", "step", infinite="beyond"),
    "growth_rate": Variable((), "mean change of log_norm from lag to lag", "nat/step"),
    "growth_rate_error": Variable((), "standard error of growth_rate", "nat/step"),
    "e_folding_time": Variable((), "-1 / growth_rate", "step"),
    "e_folding_time_error": Variable((), "standard error of e_folding_time", "step"),
    "cosine": Variable((), "cosine with the exact gradient, of the mean over draws"),
    "mean_cosine": Variable((), "cosine with the exact gradient, mean over single draws"),
    "sign_agreement": Variable((), "share of weights on whose sign both gradients agree"),
    "log_bias": Variable((), "ln |mean over draws - exact gradient|", "nat"),
    "log_spread": Variable((), "ln of the standard deviation over draws", "nat"),
    "reason": Variable((), "of an undefined cosine: 0 none, 1 silent network, 2 zero, 3 infinite"),
    "exponents": Variable(("index",), "Lyapunov exponents, descending", "nat/step"),
    "mean_log_det": Variable((), "mean of ln |det J_t|", "nat/step"),
    "first_non_finite_step": Variable((), "first t with h_t not finite, -1 if none", "step"),
}
"""By name; `tests/probes/test_variables.py` compares them with what the probes return."""


def named(*names: str, before: tuple[str, ...] = ()) -> dict[str, Variable]:
    """The declarations of these variables.

    Args:
        *names: their names.
        before: dims that come before their own, where they are measured several times.

    Raises:
        ValueError: there is none of a name.
    """
    for name in names:
        if name not in VARIABLES:
            raise ValueError(one_of(name, VARIABLES))
    found = {name: VARIABLES[name] for name in names}
    return {name: replace(one, dims=(*before, *one.dims)) for name, one in found.items()}
