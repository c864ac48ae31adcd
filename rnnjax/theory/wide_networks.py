"""What mean field says of wide networks, by the name of their activation.

  h_t = f(W h_{t-1} + s x_t),   W_ij ~ N(0, g^2 / n_h),   x_t white noise into every unit     (1)

The largest Lyapunov exponent is ln(chi) / 2 and q the variance of the pre-activations, both for
n_h -> oo: by quadrature for tanh (`rnnjax.theory.mean_field`), as closed forms for erf
(`rnnjax.theory.mean_field_exact`).
"""

import numpy as np

from rnnjax.errors import one_of
from rnnjax.theory import mean_field, mean_field_exact

ACTIVATIONS = ("tanh", "erf")
"""Those with a theory here."""
_TOLERANCE = 1e-9


def largest_exponent(activation: str, gain: float, input_variance: float = 0.0) -> float:
    """Return the largest exponent of equation (1), nats a step.

    Args:
      activation: of `ACTIVATIONS`.
      gain: g, > 0.
      input_variance: s^2.

    Raises:
      ValueError: there is no theory of the activation.
    """
    if _known(activation) == "erf":
        return mean_field_exact.erf_largest_exponent(gain, input_variance)
    slope = mean_field.tanh_log_slope
    return mean_field.largest_exponent(np.tanh, slope, gain, input_variance)


def variance(activation: str, gain: float, input_variance: float = 0.0) -> float:
    """Return q of equation (1); arguments and errors as in `largest_exponent`."""
    if _known(activation) == "erf":
        return mean_field_exact.erf_variance(gain, input_variance)
    return mean_field.variance(np.tanh, gain, input_variance)


def critical_gain(activation: str, input_variance: float, low: float, high: float) -> float | None:
    """Return the gain at which the largest exponent changes sign, by bisection.

    Args:
      activation: of `ACTIVATIONS`.
      input_variance: s^2.
      low: the least gain, > 0.
      high: the greatest gain.

    Returns:
      The gain; None if there is none between both.
    """
    if largest_exponent(activation, low, input_variance) >= 0:
        return None
    if largest_exponent(activation, high, input_variance) <= 0:
        return None
    while high - low > _TOLERANCE:
        middle = 0.5 * (low + high)
        grows = largest_exponent(activation, middle, input_variance) > 0
        low, high = (low, middle) if grows else (middle, high)
    return low


def _known(activation: str) -> str:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: {one_of(activation, ACTIVATIONS)}")
    return activation
