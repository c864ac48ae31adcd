"""Mean-field theory of a wide random vanilla network under white inputs.

With W_ij ~ N(0, g^2/n_h), independent inputs of variance s^2 into each unit and z standard normal,

  q   = g^2 E[f(sqrt(q) z)^2] + s^2                 (1)   variance of the pre-activations
  chi = g^2 E[f'(sqrt(q) z)^2]                      (2)   factor of ||dL/dh||^2 a step

Gradients vanish for chi < 1 and explode for chi > 1; ln(chi)/2 is the growth rate of the norm.
Sompolinsky, Crisanti and Sommers, Chaos in random neural networks, Physical Review Letters, 1988;
Molgedey, Schuchhardt and Schuster, Suppressing chaos in neural networks by noise, ibid., 1992.
"""

from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

# Gauss-Hermite nodes are too sparse for slopes that live on |z| < 1/sqrt(q); the trapezoid rule on
# a fine grid converges exponentially for smooth integrands that decay at both ends.
_Z = np.linspace(-9, 9, 7201)
_WEIGHT = np.exp(-0.5 * _Z**2) / np.sum(np.exp(-0.5 * _Z**2))
_TOLERANCE = 1e-13
_SMALLEST = 1e-12
_LARGEST = 1e12


def tanh_slope(x: np.ndarray) -> np.ndarray:
    """Return sech(x)^2 without cancellation."""
    small = np.exp(-2 * np.abs(x))
    return 4 * small / (1 + small) ** 2


def variance(f: Function, gain: float, input_variance: float) -> float:
    """Return the largest fixed point q of equation (1), by bisection.

    Args:
      f: a bounded activation.
      gain: g.
      input_variance: s^2.

    Raises:
      ValueError: there is no fixed point, because f is not bounded.
    """

    def excess(q: float) -> float:
        return float(gain**2 * _WEIGHT @ f(np.sqrt(q) * _Z) ** 2 + input_variance - q)

    low = max(input_variance, _SMALLEST)
    if excess(low) <= 0:
        return input_variance
    high = 2 * low
    while excess(high) > 0:
        high *= 2
        if high > _LARGEST:
            raise ValueError(f"f: expected a bounded activation, got one with q > {_LARGEST:g}")
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


def chi(f: Function, slope: Function, gain: float, input_variance: float) -> float:
    """Return chi of equation (2).

    Args:
      f: a bounded activation.
      slope: f'.
      gain: g.
      input_variance: s^2.
    """
    q = variance(f, gain, input_variance)
    return float(gain**2 * _WEIGHT @ slope(np.sqrt(q) * _Z) ** 2)


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
