import math

import numpy as np
import pytest

from rnnjax.theory import mean_field
from rnnjax.theory.mean_field import tanh_log_slope, tanh_slope

# Independent float64 quadrature of the same equations for tanh without inputs, all digits given:
# gain, variance, largest exponent, E f', E f'^2, mean exponent.
AUTONOMOUS = [
    (1.5, 0.793354, 0.065217, 0.647398, 0.506366, -0.714346),
    (3.0, 6.305391, 0.310249, 0.299401, 0.206651, -2.272805),
    (5.0, 20.699367, 0.532428, 0.172025, 0.116017, -4.906771),
]


@pytest.mark.parametrize(("gain", "q", "exponent", "slope", "square", "mean"), AUTONOMOUS)
def test_the_chaotic_network_without_inputs(gain, q, exponent, slope, square, mean):
    found_q = mean_field.variance(np.tanh, gain, 0.0)
    found = [
        found_q,
        mean_field.largest_exponent(np.tanh, tanh_log_slope, gain, 0.0),
        mean_field.expectation(tanh_slope, found_q),
        mean_field.expectation(lambda x: tanh_slope(x) ** 2, found_q),
        mean_field.mean_exponent(np.tanh, tanh_log_slope, gain, 0.0),
    ]
    np.testing.assert_allclose(found, [q, exponent, slope, square, mean], rtol=0, atol=5.1e-7)


@pytest.mark.parametrize(
    ("gain", "exponent"), [(1.1, 0.005069), (1.2, 0.016476), (2.5, 0.237177), (6.0, 0.615854)]
)
def test_the_largest_exponent_grows_with_the_gain(gain, exponent):
    found = mean_field.largest_exponent(np.tanh, tanh_log_slope, gain, 0.0)
    np.testing.assert_allclose(found, exponent, rtol=0, atol=5.1e-7)
    chi = mean_field.chi(np.tanh, tanh_slope, gain, 0.0)
    np.testing.assert_allclose(found, 0.5 * math.log(chi), rtol=1e-11)


@pytest.mark.parametrize(("gain", "ratio"), [(1.05, 0.5743), (1.02, 0.6257), (1.01, 0.6453)])
def test_near_onset_the_exponent_is_a_share_of_the_squared_distance(gain, ratio):
    found = mean_field.largest_exponent(np.tanh, tanh_log_slope, gain, 0.0) / (gain - 1) ** 2
    np.testing.assert_allclose(found, ratio, rtol=0, atol=5.1e-5)


def test_the_share_at_onset_is_two_thirds():
    """Extrapolated to g = 1 by a parabola through three gains; q to first order."""
    distance = 1e-3 * np.array([4.0, 2.0, 1.0])
    ratios = [
        mean_field.largest_exponent(np.tanh, tanh_log_slope, 1 + d, 0.0) / d**2 for d in distance
    ]
    at_onset = np.polyfit(distance, ratios, 2)[-1]
    np.testing.assert_allclose(at_onset, 2 / 3, rtol=0, atol=1e-5)
    np.testing.assert_allclose(mean_field.variance(np.tanh, 1.001, 0.0), 1e-3, rtol=5e-3)


@pytest.mark.parametrize(
    ("variance", "gain"),
    [(0.01, 1.193401), (0.05, 1.327010), (0.1, 1.409281), (1.0, 1.855589)],
)
def test_critical_gain_of_tanh_under_noise(variance, gain):
    """Independent float64 quadrature of the same equations, six digits."""
    found = mean_field.critical_gain(np.tanh, tanh_slope, variance)
    np.testing.assert_allclose(found, gain, atol=6e-7)


@pytest.mark.parametrize(
    ("gain", "noise", "q", "chi"),
    [
        (1, 0.1, 0.294985, 0.688839),
        (1.5, 0.1, 0.978119, 1.053798),
        (2, 0.5, 2.815672, 1.201979),
        (0.9, 0.5, 0.783877, 0.411947),
    ],
)
def test_variance_and_chi(gain, noise, q, chi):
    np.testing.assert_allclose(mean_field.variance(np.tanh, gain, noise), q, atol=6e-7)
    found = mean_field.chi(np.tanh, tanh_slope, gain, noise)
    np.testing.assert_allclose(found, chi, atol=6e-7)


def test_correlation_time_is_the_steps_of_a_factor_e():
    assert mean_field.correlation_time(math.exp(-0.25)) == pytest.approx(4)
    assert mean_field.correlation_time(1.0) == math.inf
    assert mean_field.correlation_time(math.exp(0.5)) == pytest.approx(-2)
    xi = mean_field.correlation_time(mean_field.chi(np.tanh, tanh_slope, 0.9, 0.5))
    assert xi == pytest.approx(-1 / math.log(0.411947), abs=1e-5)


def test_at_zero_variance_and_moderate_variance_moments_are_exact():
    assert mean_field.expectation(np.cos, 0.0) == pytest.approx(1, abs=1e-15)
    for q in (1e-10, 0.3, 20.0):
        np.testing.assert_allclose(mean_field.expectation(lambda x: x**4, q), 3 * q * q, rtol=1e-13)
        found = mean_field.expectation(np.cos, q)
        np.testing.assert_allclose(found, math.exp(-q / 2), rtol=1e-12)


@pytest.mark.parametrize("gain", [40.0, 1e3, 1e5])
def test_a_large_q_is_still_resolved(gain):
    """The slope lives on |z| < 1/g: chi -> g^2 (4/3) / sqrt(2 pi q), and E|x| = sqrt(2 q / pi)."""
    q = mean_field.variance(np.tanh, gain, 0.0)
    found = mean_field.chi(np.tanh, tanh_slope, gain, 0.0)
    # To the next order in 1/q: x^2 has the mean pi^2/12 - 1/2 under the density (3/4) sech^4.
    limit = gain**2 * (4 / 3) / np.sqrt(2 * np.pi * q) * (1 - (np.pi**2 / 12 - 0.5) / (2 * q))
    np.testing.assert_allclose(found, limit, rtol=1e-14 + 2 / q**2)
    exponent = mean_field.largest_exponent(np.tanh, tanh_log_slope, gain, 0.0)
    np.testing.assert_allclose(exponent, 0.5 * math.log(found), rtol=1e-12)
    mean = mean_field.mean_log_slope(tanh_log_slope, q)
    assert mean == pytest.approx(2 * math.log(2) - 2 * math.sqrt(2 * q / math.pi), abs=2 / gain)


def test_the_log_slope_lives_where_the_slope_is_zero():
    x = np.array([-1e4, -3.0, 0.0, 0.5, 1e4])
    assert tanh_slope(x)[-1] == 0
    np.testing.assert_allclose(tanh_log_slope(x)[[0, -1]], 2 * math.log(2) - 2e4, rtol=1e-15)
    np.testing.assert_allclose(tanh_log_slope(x)[1:4], np.log(tanh_slope(x[1:4])), atol=1e-14)


def test_bad_brackets_and_unbounded_activations_are_refused():
    with pytest.raises(ValueError, match="low, high: expected chi < 1 and chi > 1"):
        mean_field.critical_gain(np.tanh, tanh_slope, 1.0, low=0.1, high=0.5)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="expected a bounded"):
        mean_field.variance(lambda x: x, 1.0, 0.1)


def test_without_noise_nothing_moves_below_the_transition():
    assert mean_field.variance(np.tanh, 0.9, 0.0) == 0
    assert mean_field.variance(np.tanh, 1.0, 0.0) < 1e-6
    assert mean_field.variance(np.tanh, 1.1, 0.0) > 0.05
