"""The variables that probes and analyses return: their inner dimensions, names and units.

One name stands for one quantity throughout the package. An experiment takes the declarations of
what it measures from here, `named("log_norm", "horizon")`, and adds its own. Imports no jax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rnnjax.errors import one_of
from rnnjax.lazy import np


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
    # Gradients by lag and by length.
    "log_norm": Variable(("lag",), "natural log of ||dL_T/dh_{T-lag}||", "nat"),
    "log_norm_by_length": Variable(("length",), "natural log of ||dL_length/dh_0||", "nat"),
    "log_norm_by_layer": Variable(
        ("layer", "lag"), "natural log of ||dL_T/dh_{T-lag}|| of each layer", "nat"
    ),
    "horizon": Variable((), "first lag with the norm well below lag 0", "step", infinite="beyond"),
    "growth_rate": Variable((), "mean change of log_norm from lag to lag", "nat/step"),
    "growth_rate_error": Variable((), "standard error of growth_rate", "nat/step"),
    "e_folding_time": Variable((), "-1 / growth_rate", "step"),
    "e_folding_time_error": Variable((), "standard error of e_folding_time", "step"),
    # Weight gradients.
    "log_contribution": Variable(("step",), "natural log of ||dL/dW|| by the use at a step", "nat"),
    "loss": Variable((), "loss of the sequence"),
    "log_gradient_norm": Variable((), "natural log of the norm of the weight gradient", "nat"),
    "slopes": Variable(("axis",), "dL/da and dL/db along two directions of the weights"),
    "curvature": Variable((), "second derivative of the loss along its gradient"),
    # Jacobian products and Lyapunov exponents.
    "log_singular_values": Variable(
        ("product_lag", "index"), "natural log of the singular values of dh_T/dh_{T-lag}", "nat"
    ),
    "singular_direction": Variable(
        ("product_lag", "entry"), "leading singular vector of dh_T/dh_{T-lag} on the side of h_T"
    ),
    "log_gap": Variable(("product_lag",), "natural log of the first over the second", "nat"),
    "angle": Variable(("turn",), "angle from a singular_direction to the next one", "rad"),
    "exponents": Variable(("index",), "Lyapunov exponents, descending", "nat/step"),
    "exponents_error": Variable(("index",), "standard errors of exponents", "nat/step"),
    "layer_of_exponent": Variable(("index",), "layer that an exponent belongs to, from 0"),
    "leading_direction": Variable(("entry",), "covariant direction of the largest exponent"),
    "kaplan_yorke_dimension": Variable((), "Kaplan-Yorke dimension"),
    "mean_log_det": Variable((), "mean of ln |det J_t|", "nat/step"),
    "entropy_rate": Variable((), "sum of the positive exponents", "nat/step"),
    # States.
    "first_non_finite_step": Variable((), "first t with h_t not finite, -1 if none", "step"),
    "is_silent": Variable((), "whether no entry of the state ever changes"),
    "log_margins": Variable(("step",), "natural log of the margin of a latched unit", "nat"),
    # One gradient beside another.
    "cosine": Variable((), "cosine of the mean gradients"),
    "mean_cosine": Variable((), "mean over draws of the cosine"),
    "sign_agreement": Variable((), "share of weights on whose sign both gradients agree"),
    "log_bias": Variable((), "natural log of |mean of draws - reference|", "nat"),
    "log_spread": Variable((), "natural log of the standard deviation over draws", "nat"),
    "reason": Variable((), "why a cosine is undefined, 0 if it is not"),
    "direction": Variable(("weight",), "gradient by W, U and b, mean over draws, as a unit vector"),
    "cosine_of_W": Variable((), "cosine with the exact gradient, W alone"),
    "log_ratio": Variable((), "ln of that norm over the exact one's"),
    "cosine_by_lag": Variable(("first_lag",), "cosine with the exact gradient by lag of use"),
    "log_norm_by_lag": Variable(("first_lag",), "ln of the norm of the gradient by lag of use"),
    # What a network makes of the past in the add task.
    "cross_entropy": Variable((), "against the exact probabilities, on fresh streams", "nat"),
    "cross_entropy_error": Variable((), "standard error of cross_entropy", "nat"),
    "answer": Variable(("past",), "mean probability given to y = 1 after each past"),
    # Rounding of a gradient that is carried through time.
    "cosine_bptt": Variable((), "cosine of dL/dW by BPTT in an arithmetic with the exact one"),
    "log_norm_ratio": Variable((), "natural log of |dL/dW| over BPTT's", "nat"),
    "log_growth": Variable(("step",), "natural log of |J_t^-T .. J_2^-T u|, |u| = 1", "nat"),
    "growth_bound": Variable((), "mean of -ln(smallest slope smallest singular value of W)"),
    "log_error": Variable(("step",), "natural log of |error of delta_t| over |delta_t|", "nat"),
    "share_finite": Variable((), "share of the delta_t that are finite numbers"),
    "error_slope": Variable((), "growth of ln |error of delta_t|, late finite steps", "nat/step"),
    "slope_steps": Variable((), "steps over which error_slope is taken"),
    "half_digits_step": Variable(
        (), "first step with half the digits wrong", "step", infinite="beyond"
    ),
    "all_digits_step": Variable(
        (), "first step at which delta_t has no right digit", "step", infinite="beyond"
    ),
    "predicted_step": Variable(
        (), "all_digits_step if rounding of delta_1 grows as u does", "step", infinite="beyond"
    ),
}
"""By name; `tests/probes/test_variables.py` compares them with what is returned.

Dims: ``lag`` 0 to T; ``length`` and ``step`` 1 to T; ``product_lag``, the lags of the Jacobian
products that are reported, and ``turn``, from one of them to the next; ``index``, the rank of a
singular value or exponent; ``entry``, of the state; ``layer``, of a stack; ``axis``, of a plane of
weights; ``past``, the inputs at two lags. What is measured at every point of a grid or for every
pair of rules has these dims first.
"""


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


def flag_words(attributes: Mapping[str, Any]) -> dict[int, str]:
    """Return the words of the codes of a status variable, as its attributes tell them.

    Args:
        attributes: CF's flag_values and flag_meanings, which netCDF returns as one number where
            there is one code, and which may have been edited.

    Returns:
        Words by code; empty where the attributes are not there or do not fit together.
    """
    codes = np.atleast_1d(attributes.get("flag_values", ()))
    words = str(attributes.get("flag_meanings", "")).split()
    if codes.dtype.kind not in "iu" or codes.ndim != 1 or len(codes) != len(words):
        return {}
    return dict(zip(codes.tolist(), words, strict=True))
