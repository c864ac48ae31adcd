"""One logistic unit with a bias: two bifurcations, bistability, and the wall of the cost.

  x_t = w s(x_{t-1}) + b,   s the logistic function                              (1)

A fixed point appears or vanishes where w s(x) (1 - s(x)) = 1, for w > 4 at

  s = (1 -+ sqrt(1 - 4/w)) / 2,   x = ln(s / (1 - s)),   b = x - w s             (2)

Between these two values of b there are two stable fixed points and an unstable one, the border of
their basins. A start x_0 lies on that border where it is itself the unstable fixed point,

  b = x_0 - w s(x_0),   w s(x_0) (1 - s(x_0)) > 1                                (3)

and along this line in the plane of w and b the cost of a late state is a wall:

  E = (s(x_T) - y)^2,   dE = 2 (s(x_T) - y) s'(x_T) dx_T                         (4)
  dx_t/dw = s(x_{t-1}) + w s' dx_{t-1}/dw,   dx_t/db = 1 + w s' dx_{t-1}/db      (5)

On it the state stays at x_0, and with m = w s'(x_0) the slope of the map and v the gradient's
direction, which is that of (s(x_0), 1), first and second derivatives along v are

  x_t' = m x_{t-1}' + |(s, 1)|,   x_t'' = m x_{t-1}'' + 2 v_w s' x_{t-1}' + w s'' x_{t-1}'^2   (6)

so that the gradient grows as m^T and the curvature along it as m^2T.

Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013,
figures 3 and 6; Doya, Bifurcations of recurrent neural networks in gradient descent learning, 1993.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax.theory.domain import check_number


class Fold(NamedTuple):
    """Where a stable and an unstable fixed point meet and vanish.

    Attributes:
      x: the fixed point.
      b: the bias.
    """

    x: float
    b: float


class Cost(NamedTuple):
    """The cost of equation (4) and its gradient, each of the shape of w and b broadcast.

    Attributes:
      value: E.
      by_weight: dE/dw.
      by_bias: dE/db.
    """

    value: NDArray[np.float64]
    by_weight: NDArray[np.float64]
    by_bias: NDArray[np.float64]


def sigmoid(x: ArrayLike) -> NDArray[np.float64]:
    """Return the logistic function, elementwise; NaN of NaN."""
    with np.errstate(invalid="ignore"):  # NumPy warns of NaN here, and of no other number
        return np.exp(-np.logaddexp(0, -np.asarray(x, dtype=float)))


def folds(weight: float) -> tuple[Fold, Fold]:
    """Return both bifurcations of equation (2), that of the smaller b first.

    Args:
      weight: w.

    Raises:
      ValueError: w <= 4, where there is one fixed point for every b.
    """
    if weight <= 4:
        raise ValueError(f"weight: expected > 4, where there are bifurcations, got {weight:g}")
    check_number("weight", weight)
    # The other s is 1 - s = 1 / (w s): the difference would lose the digits of a small one.
    root = math.sqrt(1 - 4 / weight)
    s, x = 0.5 * (1 + root), 2 * math.log1p(root) + math.log(weight / 4)
    return Fold(x, x - weight * s), Fold(-x, -x - 1 / s)


def is_bistable(weight: float, bias: float) -> bool:
    """Return whether there are two stable fixed points.

    Raises:
      ValueError: an argument is not finite.
    """
    check_number("weight", weight)
    check_number("bias", bias)
    if weight <= 4:
        return False
    lower, upper = folds(weight)
    return lower.b < bias < upper.b


def fixed_points(weight: float, bias: float) -> list[float]:
    """Return all x = w s(x) + b in ascending order; the middle one of three is unstable.

    Args:
      weight: w, >= 0.
      bias: b.

    Raises:
      ValueError: an argument is not finite, or w is negative.
    """
    check_number("weight", weight, at_least=0)
    check_number("bias", bias)
    # All lie in [b, b + w]; w s(x) + b - x changes its direction only at the folds.
    turns = sorted(fold.x for fold in folds(weight)) if weight > 4 else []
    ends = [bias, *(x for x in turns if bias < x < bias + weight), bias + weight]
    found = [_root(weight, bias, low, high) for low, high in pairwise(ends)]
    return sorted({x for x in found if x is not None})


def _excess(weight: float, bias: float, x: float) -> float:
    return weight * float(sigmoid(x)) + bias - x


def _root(weight: float, bias: float, low: float, high: float) -> float | None:
    """Return the fixed point between two turns, None where there is none."""
    sign = math.copysign(1.0, _excess(weight, bias, low))
    if _excess(weight, bias, high) * sign > 0:
        return None
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if _excess(weight, bias, middle) * sign > 0:
            low = middle
        else:
            high = middle


def wall(weight: float, start: float) -> float:
    """Return the bias at which the start is on the border of two basins, equation (3).

    Args:
      weight: w.
      start: x_0.

    Raises:
      ValueError: x_0 is not an unstable fixed point for any bias.
    """
    check_number("weight", weight)
    check_number("start", start)
    s, rest = float(sigmoid(start)), float(sigmoid(-start))
    steepest = math.inf if s * rest == 0 else 1 / (s * rest)
    if weight <= steepest:
        raise ValueError(f"weight: expected > {steepest:g} for a wall, got {weight:g}")
    return start - weight * s


class Steepness(NamedTuple):
    """Gradient and curvature of the cost at the wall, each (n_steps, ...), for T = 1, 2, ...

    Attributes:
      gradient: the length of dE.
      curvature: the second derivative of E along dE.
    """

    gradient: NDArray[np.float64]
    curvature: NDArray[np.float64]


def at_wall(weight: float, start: ArrayLike, n_steps: int, target: float = 0.7) -> Steepness:
    """Return how steep the wall is and how it bends there, equation (6).

    Args:
      weight: w.
      start: x_0, (...).
      n_steps: the largest T.
      target: y.
    """
    s = sigmoid(start)
    slope, bend = s * (1 - s), s * (1 - s) * (1 - 2 * s)
    length = np.hypot(s, 1.0)
    first, second = np.zeros((2, n_steps + 1, *s.shape))
    for t in range(n_steps):
        mixed = 2 * s / length * slope * first[t]
        second[t + 1] = weight * slope * second[t] + mixed + weight * bend * first[t] ** 2
        first[t + 1] = weight * slope * first[t] + length
    back, first, second = 2 * (s - target), first[1:], second[1:]
    curvature = 2 * (slope * first) ** 2 + back * (bend * first**2 + slope * second)
    return Steepness(np.abs(back * slope * first), curvature)


def cost(
    weight: ArrayLike,
    bias: ArrayLike,
    n_steps: int = 50,
    start: ArrayLike = 0.5,
    target: float = 0.7,
) -> Cost:
    """Return the cost of equation (4) and its gradient by the recursion (5).

    Args:
      weight: w; broadcast with bias and start.
      bias: b.
      n_steps: T.
      start: x_0.
      target: y.
    """
    w, b, x = np.broadcast_arrays(*(np.asarray(of, float) for of in (weight, bias, start)))
    by_weight, by_bias = np.zeros(w.shape), np.zeros(w.shape)
    for _ in range(n_steps):
        s = sigmoid(x)
        gain = w * s * (1 - s)
        x, by_weight, by_bias = w * s + b, s + gain * by_weight, 1 + gain * by_bias
    s = sigmoid(x)
    back = 2 * (s - target) * s * (1 - s)
    return Cost((s - target) ** 2, back * by_weight, back * by_bias)
