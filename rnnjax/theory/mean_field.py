"""Mean-field theory of a wide random vanilla network under white inputs.

With W_ij ~ N(0, g^2/n_h), independent inputs of variance s^2 into each unit and z standard normal,

  q        = g^2 E[f(sqrt(q) z)^2] + s^2                 (1)   variance of the pre-activations
  chi      = g^2 E[f'(sqrt(q) z)^2]                      (2)   factor of ||dL/dh||^2 a step
  lambda_1 = ln(chi) / 2                                 (3)   largest Lyapunov exponent
  xi       = -1 / ln chi                                 (4)   steps in which chi^t falls by e
  mean     = ln g - 1/2 + E ln |f'(sqrt(q) z)|           (5)   mean of all n_h exponents

Gradients vanish for chi < 1 and explode for chi > 1. In (5) ln g - 1/2 is ln |det W| / n_h of a
wide W; the rest is the mean of ln |det diag f'|. For tanh without inputs just above g = 1, from
E tanh^2 = q - 2 q^2 + (17/3) q^3 and E sech^4 = 1 - 2 q + 7 q^2,

  q -> g - 1,   lambda_1 -> (2/3) (g - 1)^2              (6)

Sompolinsky, Crisanti and Sommers, Chaos in random neural networks, Physical Review Letters, 1988
(1); Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise, ibid., 1992
(2, 3); Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, Deep information propagation, ICLR 2017 (4).
"""

import math
from collections.abc import Callable

import numpy as np

from rnnjax.theory.domain import check_number

Function = Callable[[np.ndarray], np.ndarray]

_REACH = 9.0
# An even number of nodes: none falls on a kink at 0.
_NODES = np.linspace(-1, 1, 1600)
_TOLERANCE = 1e-13
_SMALLEST = 1e-12
_LARGEST = 1e12  # q of an activation that is bounded by about 1, at gains and inputs of at most 1
_LARGEST_NUMBER = 1e300


def tanh_slope(x: np.ndarray) -> np.ndarray:
    """Return sech(x)^2 without cancellation."""
    small = np.exp(-2 * np.abs(x))
    return 4 * small / (1 + small) ** 2


def tanh_log_slope(x: np.ndarray) -> np.ndarray:
    """Return 2 ln sech(x), right also where sech(x)^2 is 0 in float64 (|x| > 370)."""
    return 2 * (math.log(2) - np.abs(x) - np.log1p(np.exp(-2 * np.abs(x))))


def _quadrature(q: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x and weights w, so that w @ f(x) is E f(sqrt(q) z).

    A slope lives on |x| < 1 however large q is. Equal steps of u with x = sinh(u) are fine there
    and coarse outside; the trapezoid rule in u converges exponentially for analytic functions.
    """
    deviation = math.sqrt(q)
    u = math.asinh(_REACH * deviation) * _NODES
    x = np.sinh(u)
    z = x / deviation if deviation else x
    weights = np.cosh(u) * np.exp(-0.5 * z**2)
    return x, weights / weights.sum()


def expectation(function: Function, q: float) -> float:
    """Return E[function(sqrt(q) z)].

    Args:
      function: elementwise; smooth, but for a kink at 0.
      q: variance of its argument, 0 or more.

    Raises:
      ValueError: q is negative, or not finite.
    """
    check_number("q", q, at_least=0)
    x, weights = _quadrature(q)
    return float(weights @ function(x))


def fixed_point(
    second_moment: Callable[[float], float], gain: float, input_variance: float
) -> float:
    """Return the largest q = g^2 m(q) + s^2, by bisection.

    Args:
      second_moment: m(q) = E f(sqrt(q) z)^2.
      gain: g.
      input_variance: s^2.

    Raises:
      ValueError: there is no fixed point, because f is not bounded; s^2 is negative, or a number
        is not finite.
    """
    check_number("gain", gain)
    check_number("input_variance", input_variance, at_least=0)

    def excess(q: float) -> float:
        return gain**2 * second_moment(q) + input_variance - q

    low = input_variance or _SMALLEST
    if excess(low) <= 0:
        return input_variance
    high = 2 * low
    # A bounded activation has q <= g^2 max f^2 + s^2.
    largest = min(_LARGEST * max(1.0, gain * gain, input_variance), _LARGEST_NUMBER)
    while excess(high) > 0:
        high *= 2
        if high > largest:
            raise ValueError(f"f: expected a bounded activation, got one with q > {largest:g}")
    return _root(excess, low, high)


def _root(decreasing: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function that is positive at low and not at high changes sign."""
    while high - low > _TOLERANCE * high:
        middle = 0.5 * (low + high)
        if decreasing(middle) > 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def variance(f: Function, gain: float, input_variance: float) -> float:
    """Return the largest fixed point q of equation (1), by bisection.

    Args:
      f: a bounded activation.
      gain: g.
      input_variance: s^2.

    Raises:
      ValueError: there is no fixed point, because f is not bounded.
    """
    return fixed_point(lambda q: expectation(lambda x: f(x) ** 2, q), gain, input_variance)


def chi(f: Function, slope: Function, gain: float, input_variance: float) -> float:
    """Return chi of equation (2).

    Args:
      f: a bounded activation.
      slope: f'.
      gain: g.
      input_variance: s^2.
    """
    q = variance(f, gain, input_variance)
    return gain**2 * expectation(lambda x: slope(x) ** 2, q)


def largest_exponent(f: Function, log_slope: Function, gain: float, input_variance: float) -> float:
    """Return lambda_1 of equation (3), nats a step.

    Args:
      f: a bounded activation.
      log_slope: ln |f'|, whose exponential may be 0 in float64.
      gain: g, > 0.
      input_variance: s^2.

    Raises:
      ValueError: g is not above 0, and as of `variance`.
    """
    check_number("gain", gain, above=0)
    x, weights = _quadrature(variance(f, gain, input_variance))
    log_square = np.logaddexp.reduce(2 * log_slope(x) + np.log(weights))
    return math.log(gain) + 0.5 * float(log_square)


def correlation_time(chi: float) -> float:
    """Return xi of equation (4), steps; infinite at chi = 1.

    Beyond 1 it is negative: ||dL/dh||^2 then grows by e in |xi| steps.

    Raises:
      ValueError: chi is negative, or not finite.
    """
    check_number("chi", chi, at_least=0)
    if chi == 0:
        return 0.0
    return math.inf if chi == 1 else -1 / math.log(chi)


def mean_log_slope(log_slope: Function, q: float) -> float:
    """Return E ln |f'(sqrt(q) z)|, nats.

    Args:
      log_slope: ln |f'|, finite.
      q: variance of the pre-activations.
    """
    return expectation(log_slope, q)


def mean_exponent(f: Function, log_slope: Function, gain: float, input_variance: float) -> float:
    """Return the mean of all exponents of a wide network, equation (5), nats a step.

    Args:
      f: a bounded activation.
      log_slope: ln |f'|, finite.
      gain: g, > 0.
      input_variance: s^2.

    Raises:
      ValueError: g is not above 0, and as of `variance`.
    """
    check_number("gain", gain, above=0)
    q = variance(f, gain, input_variance)
    return math.log(gain) - 0.5 + mean_log_slope(log_slope, q)


def critical_gain(
    f: Function, slope: Function, input_variance: float, low: float = 0.1, high: float = 20.0
) -> float:
    """Return the gain at which chi = 1, by bisection.

    Args:
      f: a bounded activation.
      slope: f'.
      input_variance: s^2, > 0.
      low: a gain with chi < 1.
      high: a gain with chi > 1.

    Raises:
      ValueError: chi - 1 has one sign at both ends.
    """
    signs = [np.sign(chi(f, slope, gain, input_variance) - 1) for gain in (low, high)]
    if signs != [-1, 1]:
        raise ValueError(f"low, high: expected chi < 1 and chi > 1, got chi - 1 of signs {signs}")
    return _root(lambda gain: 1 - chi(f, slope, gain, input_variance), low, high)
