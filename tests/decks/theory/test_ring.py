"""The ring's margin: its recursion, its known digits, and the steepest logistic fixed point."""

import math

import numpy as np
import pytest

from rnnjax.decks import ring


@pytest.mark.parametrize("case", ring.known_margins(), ids=lambda c: f"{c['gain']}-{c['text']}")
def test_known_digits_are_those_of_the_recursion(case):
    log10 = ring.log_margin(case["gain"], case["late_night"]) / math.log(10)
    assert abs(log10 - case["expected"]) <= 1.01 * case["slack"]


def test_half_a_unit_of_the_last_place():
    case = next(case for case in ring.known_margins() if case["text"] == "0.106")
    assert case["slack"] == pytest.approx(0.0005 / 0.106 / math.log(10), rel=1e-12)


def test_no_logistic_fixed_point_is_steeper():
    r = np.linspace(0.5, 0.9999, 100001)
    slopes = (1 - r) * np.log(r / (1 - r))
    assert slopes.max() == pytest.approx(ring.MOST_LOGISTIC_SLOPE, abs=1e-9)


def test_margins_that_float64_cannot_hold_are_held():
    late = ring.log_margin(0.5, 500)
    for night in (1065, 1100, 10_000, 100_000):  # m is 1e-321 and less
        expected = late + (night - 500) * math.log(0.5)
        assert ring.log_margin(0.5, night) == pytest.approx(expected, rel=1e-13)
    assert ring.log_margin(0.0, 3) == -math.inf and ring.log_margin(0.0, 0) == 0.0
    with pytest.raises(ValueError, match="gain: expected a number of at least 0, got -1"):
        ring.log_margin(-1.0, 3)
