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

import decimal
import math
import operator
from typing import NamedTuple

import numpy as np

from rnnjax.errors import shown
from rnnjax.theory.domain import check_number

# Moments leave the range of float64 on the way to a deviation that lies within it.
_WIDE = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])


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
    """Return equation (1); infinite where a value is beyond float64.

    Args:
      weight: w.
      n_steps: T.
      start: h_0.

    Raises:
      ValueError: a number is not finite, or n_steps is no count.
    """
    _check_power(weight, n_steps, start)
    # Integers of NumPy would wrap, and its floats become inf where those of Python raise.
    weight, start, T = float(weight), float(start), int(n_steps)
    first = _times_power(start * T, weight, max(T - 1, 0))
    second = _times_power(start * T * (T - 1), weight, max(T - 2, 0))
    return Power(_times_power(start, weight, T), first, second)


def _check_power(weight: float, n_steps: int, start: float) -> None:
    check_number("weight", weight)
    check_number("start", start)
    _check_count("n_steps", n_steps)


def _check_count(name: str, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ValueError(f"{name}: expected a whole number of at least 0, got {shown(count)}")


def _times_power(factor: float, weight: float, exponent: int) -> float:
    """Return c w^n."""
    # In three steps: w^n may have left the range where its product with a small c has not.
    third = exponent // 3
    for part in (third, third, exponent - 2 * third):
        try:
            factor *= weight**part
        except OverflowError:
            sign = -1 if weight < 0 and exponent % 2 else 1
            return sign * factor * math.inf if factor else 0.0
    return factor


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

    Raises:
      ValueError: |w| >= 1, where the state grows for ever or never settles, or j is no count.
    """
    check_number("weight", weight, above=-1, below=1)
    _check_count("order", order)
    found = 1 / (1 - weight)
    for j in range(1, order + 1):
        found *= j / (1 - weight)
    return found


def uncertain_power(weight: float, deviation: float, n_steps: int, start: float = 1.0) -> Moments:
    """Return the exact moments of h_T for a weight from N(w, s^2), equations (3) and (4).

    They are infinite where they are beyond float64.

    Args:
      weight: w.
      deviation: s.
      n_steps: T.
      start: h_0.

    Raises:
      ValueError: a number is not finite, s is negative, or n_steps is no count.
    """
    _check_power(weight, n_steps, start)
    check_number("deviation", deviation, at_least=0)
    with decimal.localcontext(_WIDE):
        w, s, h = (decimal.Decimal(float(given)) for given in (weight, deviation, start))
        last = operator.index(n_steps)  # a Decimal takes no integers of NumPy
        moments = [decimal.Decimal(1), w]
        for T in range(2, last + 1):
            moments.append(w * moments[-1] + (T - 1) * s * s * moments[-2])
        factor, variance = decimal.Decimal(1), decimal.Decimal(0)
        for k in range(1, last + 1):
            ratio = s * (last - k + 1)
            factor *= ratio * ratio / k
            variance += factor * moments[last - k] * moments[last - k]
        return Moments(float(h * moments[last]), float(abs(h) * variance.sqrt()))


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
    if weight == 0:
        return math.inf if n_steps and deviation else 0.0
    return n_steps * deviation / abs(weight)
