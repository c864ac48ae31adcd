"""Closed forms of a single recurrent neuron, h_t = f(w_x x_t + w_n h_{t-1}), y_t = w_3 h_t.

With z_t the argument of f and h_0 = 0,

  dy_t/dx_{t-k}   = w_3 w_x w_n^k prod_{t-k..t} f'(z)                           (1)
  |dy_t/dx_{t-k}| <= |w_3 w_x| |w_n|^k gamma^(k+1),   gamma = sup |f'|          (2)
  dy_t/dw_n       = w_3 w_x sum_{k=1..t-1} k w_n^(k-1)     for f(x) = x, x = 1  (3)

(2) is the bound of Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural
networks, ICML 2013, for a single unit; the chain itself is that of slides on simple RNNs in which
y = w_3 f(4 w_2 + w_n f(2 w_1)) is worked out step by step.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.errors import one_of
from rnnjax.theory.domain import check_number

Function = Callable[[float], float]

_TOLERANCE = 1e-15


class Steps(NamedTuple):
    """The steps of y = w_3 f(x_2 w_2 + w_n f(x_1 w_1)) and the derivatives of y.

    Attributes:
      values: f(x_1 w_1), x_2 w_2, their combination, f of it, y.
      gradient: dy/dw_1, dy/dw_2, dy/dw_3, dy/dw_n.
    """

    values: tuple[float, ...]
    gradient: tuple[float, ...]


def sigmoid(z: float) -> float:
    """Return the logistic function."""
    # The exponential of a large positive number has left the range.
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def _slope_of_tanh(z: float) -> float:
    """Return 1 / cosh(z)^2, which falls to 0 where cosh has left the range."""
    e = math.exp(-2 * abs(z))
    return 4 * e / (1 + e) ** 2


FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "identity": (lambda z: z, lambda z: 1.0),
    "tanh": (math.tanh, _slope_of_tanh),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "relu": (lambda z: max(z, 0.0), lambda z: z if math.isnan(z) else float(z > 0)),
}
"""Activations and their slopes, by name."""

STEEPEST = {"identity": 1.0, "tanh": 1.0, "sigmoid": 0.25, "relu": 1.0}
"""gamma of equation (2), by name."""


def two_steps(
    activation: str, weights: tuple[float, float, float, float], inputs: tuple[float, float]
) -> Steps:
    """Return every step of the chain of two inputs, and its gradient.

    Args:
      activation: a name in `FUNCTIONS`.
      weights: w_1, w_2, w_3, w_n.
      inputs: x_1 and x_2.

    Raises:
      ValueError: there is no such activation.
    """
    if activation not in FUNCTIONS:
        raise ValueError(f"activation: {one_of(activation, FUNCTIONS)}")
    f, slope = FUNCTIONS[activation]
    w_1, w_2, w_3, w_n = weights
    x_1, x_2 = inputs
    h_1, drive = f(x_1 * w_1), x_2 * w_2
    z = drive + w_n * h_1
    back = w_3 * slope(z)
    gradient = (back * w_n * slope(x_1 * w_1) * x_1, back * x_2, f(z), back * h_1)
    return Steps((h_1, drive, z, f(z), w_3 * f(z)), gradient)


def log_coefficient(w_n: ArrayLike, lag: ArrayLike, steepest: float = 1.0) -> np.ndarray:
    """Return the logarithm of the bound (2) for w_3 w_x = 1; exact, by (1), for f(x) = x.

    Args:
      w_n: recurrent weight; broadcast with lag.
      lag: k.
      steepest: gamma, 1 for identity, tanh and relu and 1/4 for the logistic function; NaN where
        there is no bound.

    Raises:
      ValueError: gamma is not above 0.
    """
    if not math.isnan(steepest):
        check_number("steepest", steepest, above=0)
    lags = np.asarray(lag, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(lags == 0, 0.0, lags * np.log(np.abs(np.asarray(w_n, dtype=float))))
    return growth + (lags + 1) * math.log(steepest)


def shares(w_n: float, n_inputs: int) -> np.ndarray:
    """Return the share of every lag in sum_k |w_n|^k, (n_inputs,): equation (1) for f(x) = x."""
    logs = log_coefficient(w_n, np.arange(n_inputs))
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def input_shares(w_n: float, n_steps: int) -> np.ndarray:
    """Return the share of each step in sum_t |dy_T/dx_t|, as `shares` but by step.

    Args:
      w_n: recurrent weight.
      n_steps: T.

    Returns:
      (T,), index t - 1.
    """
    return shares(w_n, n_steps)[::-1]


def weight_gradient(w_n: float, n: int) -> float:
    """Return sum_{k=1..n} k w_n^(k-1), equation (3) with t = n + 1.

    It is (1 - (n+1) w^n + n w^(n+1)) / (1-w)^2, which near w = 1 loses all digits, and n(n+1)/2 at
    w = 1.
    """
    w_n, total = float(w_n), 0.0  # of Python, which overflows to inf without a warning
    for k in range(n, 0, -1):
        total = total * w_n + k
    return total


def horizon(w_n: float, share: float = 0.01, mean_slope: float = 1.0) -> float:
    """Return the lag at which (|w_n| f')^k falls to a share; infinite where it never does.

    Args:
      w_n: recurrent weight.
      share: the remaining share, above 0 and at most 1.
      mean_slope: geometric mean of f' along the way, not negative.

    Raises:
      ValueError: an argument is not as above, or not finite.
    """
    check_number("w_n", w_n)
    check_number("share", share, above=0, at_most=1)
    check_number("mean_slope", mean_slope, at_least=0)
    per_step = abs(w_n) * mean_slope
    if per_step == 0:
        return 0.0
    return math.log(share) / math.log(per_step) if per_step < 1 else math.inf


def tanh_fixed_point(w_n: float) -> float:
    """Return the largest h = tanh(w_n h), by bisection; 0 for w_n <= 1, NaN for NaN."""
    if math.isnan(w_n):
        return math.nan
    if w_n <= 1:
        return 0.0
    # tanh(w h) - h is positive from just above 0 to the fixed point.
    low, high = _TOLERANCE, 1.0
    while high - low > _TOLERANCE:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if math.tanh(w_n * middle) > middle else (low, middle)
    return high


def step_shares(gain: float, n_steps: int) -> np.ndarray:
    """Return the share of each step in sum_t |delta_t| where every step has the same error.

    delta_t = e sum_{j=0..T-t} g^j: what reaches step t is its own error and, through a loop of gain
    g, those of all later steps.

    Args:
      gain: g.
      n_steps: T.

    Returns:
      (T,), index t - 1.
    """
    steps = np.arange(n_steps, dtype=float)
    if abs(gain) > 1:  # divided by g^{T-1}, which may have left the range
        powers = (1 / gain) ** steps
        sums = np.abs(powers * np.cumsum(powers)[::-1])
    else:
        sums = np.abs(np.cumsum(gain**steps))[::-1]
    return sums / sums.sum()
