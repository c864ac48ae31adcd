import math

import numpy as np
import pytest

from rnnjax.theory import mean_field, mean_field_exact

_erf = np.vectorize(math.erf)


def f(x):
    return _erf(0.5 * math.sqrt(math.pi) * x)


def log_slope(x):
    return -0.25 * math.pi * x * x


@pytest.mark.parametrize(
    ("gain", "q", "exponent"), [(1.2, 0.29626711, 0.01784435), (1.5, 0.89293406, 0.07137066)]
)
def test_exponent_of_the_error_function_network(gain, q, exponent):
    np.testing.assert_allclose(mean_field_exact.erf_variance(gain, 0.0), q, atol=5.1e-9)
    np.testing.assert_allclose(
        mean_field_exact.erf_largest_exponent(gain, 0.0), exponent, atol=6e-9
    )


@pytest.mark.parametrize(("gain", "noise"), [(1.2, 0.0), (1.5, 0.0), (0.8, 0.3), (4.0, 0.1)])
def test_quadrature_finds_the_closed_form(gain, noise):
    q = mean_field_exact.erf_variance(gain, noise)
    np.testing.assert_allclose(mean_field.variance(f, gain, noise), q, rtol=1e-10)
    expected = mean_field_exact.erf_largest_exponent(gain, noise)
    found = mean_field.largest_exponent(f, log_slope, gain, noise)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    expected = mean_field_exact.erf_mean_exponent(gain, noise)
    np.testing.assert_allclose(mean_field.mean_exponent(f, log_slope, gain, noise), expected)


@pytest.mark.parametrize(
    ("lines", "critical"), [((1, 0), math.sqrt(2)), ((1, 1), 1), ((1, 0.01), math.sqrt(2 / 1.0001))]
)
def test_critical_gain_of_relu_is_root_two_and_of_the_identity_one(lines, critical):
    assert mean_field_exact.lines_critical_gain(*lines) == pytest.approx(critical, rel=1e-15)
    assert mean_field_exact.lines_chi(critical, *lines) == pytest.approx(1)


@pytest.mark.parametrize("lines", [(1.0, 0.0), (1.0, 1.0), (1.0, -0.5)])
def test_quadrature_finds_two_straight_lines_below_their_critical_gain(lines):
    above, below = lines
    gain, noise = 0.9 * mean_field_exact.lines_critical_gain(*lines), 0.2

    def straight(x):
        return np.where(x > 0, above * x, below * x)

    q = mean_field_exact.lines_variance(gain, *lines, noise)
    np.testing.assert_allclose(mean_field.variance(straight, gain, noise), q, rtol=1e-11)
    found = mean_field.chi(straight, lambda x: np.where(x > 0, above, below), gain, noise)
    np.testing.assert_allclose(found, mean_field_exact.lines_chi(gain, *lines), rtol=1e-12)


def test_at_the_critical_gain_of_relu_no_variance_is_stationary():
    assert mean_field_exact.lines_variance(1.5, 1, 0, 0.1) == math.inf
    assert mean_field_exact.lines_variance(1.0, 1, 0, 0.0) == 0
    with pytest.raises(ValueError, match="input_variance: expected > 0 where chi >= 1, got 0"):
        mean_field_exact.lines_variance(1.5, 1, 0, 0.0)
