"""Activations whose mean-field theory needs no quadrature: erf and two straight lines.

For f(x) = erf(sqrt(pi) x / 2), of slope 1 at 0, and x ~ N(0, q)

  E f^2      = (2/pi) arcsin((pi q / 2) / (1 + pi q / 2))      (1)
  E f'^2     = 1 / sqrt(1 + pi q)                              (2)
  E ln f'    = -pi q / 4                                       (3)

and for f(x) = a x above 0 and b x below (relu: 1 and 0; identity: 1 and 1)

  E f^2 = q (a^2 + b^2) / 2,   E f'^2 = (a^2 + b^2) / 2        (4)

Such an f is not bounded, but chi = g^2 (a^2 + b^2) / 2 does not depend on q: it is critical at
g = sqrt(2 / (a^2 + b^2)) with any inputs, and q = chi q + s^2 is finite only where chi < 1.

(1) is from Williams, Computing with infinite networks, NIPS 1996; q and chi are those of
`mean_field`; relu at sqrt(2) is the initialisation of He, Zhang, Ren and Sun, Delving deep into
rectifiers, ICCV 2015.
"""

import math

from rnnjax.theory import mean_field
from rnnjax.theory.domain import check_number


def erf_second_moment(q: float) -> float:
    """Return E f^2 of equation (1).

    Raises:
      ValueError: q is negative.
    """
    check_number("q", q, at_least=0)
    half = 0.5 * math.pi * q
    return 2 / math.pi * math.asin(half / (1 + half))


def erf_variance(gain: float, input_variance: float) -> float:
    """Return the largest q = g^2 E f^2 + s^2 of a wide network of erf units.

    Args:
      gain: g.
      input_variance: s^2.
    """
    return mean_field.fixed_point(erf_second_moment, gain, input_variance)


def erf_largest_exponent(gain: float, input_variance: float) -> float:
    """Return ln(chi) / 2 by equation (2), nats a step.

    Args:
      gain: g, > 0.
      input_variance: s^2.

    Raises:
      ValueError: g is not above 0, or s^2 is negative.
    """
    check_number("gain", gain, above=0)
    q = erf_variance(gain, input_variance)
    return math.log(gain) - 0.25 * math.log1p(math.pi * q)


def erf_mean_exponent(gain: float, input_variance: float) -> float:
    """Return the mean of all exponents by equation (3), nats a step.

    Args:
      gain: g, > 0.
      input_variance: s^2.

    Raises:
      ValueError: g is not above 0, or s^2 is negative.
    """
    check_number("gain", gain, above=0)
    return math.log(gain) - 0.5 - 0.25 * math.pi * erf_variance(gain, input_variance)


def lines_chi(gain: float, above: float, below: float) -> float:
    """Return chi of two straight lines, equation (4), whatever the inputs are.

    Args:
      gain: g.
      above: a, the slope for x > 0.
      below: b, the slope for x < 0.
    """
    return gain**2 * 0.5 * (above**2 + below**2)


def lines_critical_gain(above: float, below: float) -> float:
    """Return the gain at which chi = 1: sqrt(2) for relu, 1 for the identity.

    Args:
      above: a, the slope for x > 0.
      below: b, the slope for x < 0; not both 0.

    Raises:
      ValueError: both slopes are 0.
    """
    check_number("above^2 + below^2", above**2 + below**2, above=0)
    return math.sqrt(2 / (above**2 + below**2))


def lines_variance(gain: float, above: float, below: float, input_variance: float) -> float:
    """Return q = s^2 / (1 - chi); infinite where chi >= 1 and there are inputs.

    Args:
      gain: g.
      above: a, the slope for x > 0.
      below: b, the slope for x < 0.
      input_variance: s^2.

    Raises:
      ValueError: chi >= 1 without inputs, where q is what the first state made it; s^2 is
        negative, or a number is not finite.
    """
    chi = lines_chi(gain, above, below)
    check_number("chi", chi)
    check_number("input_variance", input_variance, at_least=0)
    if chi < 1:
        return input_variance / (1 - chi)
    if input_variance == 0:
        raise ValueError(f"input_variance: expected > 0 where chi >= 1, got 0 at chi = {chi:g}")
    return math.inf
