"""Powers of one recurrent weight: how they depend on it, and what noise in it does to them.

  h_T = w^T h_0,   dh_T/dw = T w^{T-1} h_0,   d^2h_T/dw^2 = T (T-1) w^{T-2} h_0      (1)

For 0 < w < 1, |dh_T/dw| is largest over T at T = -1 / ln w. Under constant inputs 1, h -> 1/(1 - w)
and

  d^j h/dw^j -> j! / (1 - w)^{j+1}                                                  (2)

With a weight that is only known as N(w, s^2), M_T = E (w + s z)^T and all f(w) = w^T obey

  M_T = w M_{T-1} + (T - 1) s^2 M_{T-2}                                             (3)
  Var = sum_{k=1..T} s^{2k} / k! (T! / (T - k)!)^2 M_{T-k}^2                        (4)

(Stein's identity; the Hermite expansion of f, whose k-th coefficient is s^k E f^(k)). The delta
method keeps the first term of each expansion in s,

  sd(h_T) ~ |T w^{T-1} h_0| s,   E h_T / (w^T h_0) - 1 ~ T (T-1) s^2 / (2 w^2)       (5)

and holds while T s / |w| << 1 only: beyond, it is wrong by as much as one likes.

Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML 2013 (1).
"""

import math
from typing import NamedTuple


class Power(NamedTuple):
    """h_T and its first two derivatives with respect to the weight, equation (1)."""

    value: float
    first: float
    second: float


class Moments(NamedTuple):
    """Mean and standard deviation of h_T for an uncertain weight."""

    mean: float
    deviation: float


def power(weight: float, n_steps: int, start: float = 1.0) -> Power:
    """Return equation (1).

    Args:
      weight: w.
      n_steps: T.
      start: h_0.
    """
    T = n_steps
    first = T * weight ** max(T - 1, 0)
    second = T * (T - 1) * weight ** max(T - 2, 0)
    return Power(start * weight**T, start * first, start * second)


def most_sensitive_step(weight: float) -> float:
    """Return the T, not an integer, at which |dh_T/dw| is largest: -1 / ln |w|.

    Args:
      weight: w, 0 < |w| < 1.

    Raises:
      ValueError: |w| >= 1, where the sensitivity grows for ever, or w = 0.
    """
    if not 0 < abs(weight) < 1:
        raise ValueError(f"weight: expected 0 < |w| < 1, got {weight:g}")
    return -1 / math.log(abs(weight))


def driven_derivative(weight: float, order: int) -> float:
    """Return the j-th derivative of the state under constant inputs 1, equation (2).

    Args:
      weight: w, |w| < 1.
      order: j, 0 for the state itself.
    """
    return math.factorial(order) / (1 - weight) ** (order + 1)


def uncertain_power(weight: float, deviation: float, n_steps: int, start: float = 1.0) -> Moments:
    """Return the exact moments of h_T for a weight from N(w, s^2), equations (3) and (4).

    Args:
      weight: w.
      deviation: s.
      n_steps: T.
      start: h_0.
    """
    moments = [1.0, weight]
    for T in range(2, n_steps + 1):
        moments.append(weight * moments[-1] + (T - 1) * deviation**2 * moments[-2])
    factor = variance = 0.0
    for k in range(1, n_steps + 1):
        ratio = (deviation * (n_steps - k + 1)) ** 2 / k
        factor = ratio if k == 1 else factor * ratio
        variance += factor * moments[n_steps - k] ** 2
    return Moments(start * moments[n_steps], abs(start) * math.sqrt(variance))


def delta_method(weight: float, deviation: float, n_steps: int, start: float = 1.0) -> Moments:
    """Return the moments of h_T to the leading order in s, equation (5).

    Args:
      weight: w, not 0.
      deviation: s.
      n_steps: T.
      start: h_0.
    """
    value, first, second = power(weight, n_steps, start)
    return Moments(value + 0.5 * second * deviation**2, abs(first) * deviation)


def uncertainty(weight: float, deviation: float, n_steps: int) -> float:
    """Return T s / |w|, which must be well below 1 for the delta method to hold."""
    return n_steps * deviation / abs(weight)
