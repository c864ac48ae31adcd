"""The margin of the ring that remembers a dinner, over its gain k, for four ways to squash.

With f = tanh the margin of the right dinner (`rnnjax.analysis.log_margins`) is the state of one
neuron whose recurrent weight is the gain,

  m_n = tanh(k m_{n-1}),   m_0 = 1,                                  (1)

which fades for k < 1 and latches at the root of m = tanh(k m) for k > 1. A ring of logistic(k z)
has one fixed point r = logistic(k r), where the slope of the map is

  k r (1 - r) = (1 - r) logit(r) <= W(1/e) = 0.278...,               (2)

with W Lambert's function, so that it forgets at every gain.
"""

import math
from decimal import Decimal
from typing import NamedTuple

from rnnjax.theory.domain import check_number

_SMALL = 1e-280
MOST_LOGISTIC_SLOPE = 0.2784645427610738
"""W(1/e), equation (2)."""


class Squashing(NamedTuple):
    """f(z) = activation(steepness k z + bias + k bias_of_gain)."""

    activation: str
    steepness: float
    bias: float
    bias_of_gain: float


SQUASHINGS = {
    "tanh(kz)": Squashing("tanh", 1.0, 0.0, 0.0),
    "logistic(6k(z - 1/2))": Squashing("sigmoid", 6.0, 0.0, -3.0),
    "logistic(6kz - 3)": Squashing("sigmoid", 6.0, -3.0, 0.0),
    "logistic(kz)": Squashing("sigmoid", 1.0, 0.0, 0.0),
}


def log_margin(gain: float, night: int) -> float:
    """Return ln m of equation (1), in double precision; right also where m has left its range.

    Args:
      gain: k, >= 0.
      night: n, 0 or more.

    Raises:
      ValueError: the gain is negative, or not finite.
    """
    check_number("gain", gain, at_least=0)
    m = 1.0
    for n in range(night):
        if gain == 0:
            return -math.inf
        if m < _SMALL:  # tanh(k m) = k m
            return math.log(m) + (night - n) * math.log(gain)
        m = math.tanh(gain * m)
    return math.log(m)


# On nights 15 and 200 by gain, each right to half a unit in its last place.
_KNOWN = {
    0.5: ("2.8e-5", "6e-61"),
    0.9: ("0.106", "4e-10"),
    1.0: ("0.298", "0.086"),
    1.1: ("0.513", "0.503"),
    2.0: ("0.958", "0.958"),
}


def known_margins() -> list[dict[str, float | int | str]]:
    """Return margins of equation (1) that were worked out to a few digits.

    Returns:
      dicts of ``gain``, ``late_night``, the ``text`` of the number, its log10 ``expected``, and
      half a unit of its last place in log10, ``slack``.
    """
    return [
        {"gain": gain, "late_night": night, "text": text, **_in_log10(text)}
        for gain, texts in _KNOWN.items()
        for night, text in zip((15, 200), texts, strict=True)
    ]


def _in_log10(text: str) -> dict[str, float]:
    expected, exponent = float(text), Decimal(text).as_tuple().exponent
    slack = 10.0 ** int(exponent) / 2 / expected / math.log(10)
    return {"expected": math.log10(expected), "slack": slack}
