import cmath
import math

import numpy as np
import pytest

from rnnjax.theory import curse_of_memory as curse

PAIRS = [(0.9, 0.0), (0.9, 0.5), (0.95, 0.9), (0.9, 0.99), (-0.7, 0.6), (0.5, -0.3)]


def response(decay, n=1000):
    """What h owes to the input of k steps ago, and its derivative by the decay."""
    k = np.arange(n)
    return decay**k, k * decay ** np.maximum(k - 1.0, 0)


def mean_square(response, correlation):
    """E (sum_k response_k x_{t-k})^2 as the double sum over both lags."""
    lag = np.arange(len(response))
    return response @ (float(correlation) ** np.abs(lag[:, None] - lag)) @ response


@pytest.mark.parametrize(
    ("decay", "correlation", "state", "sensitivity"),
    [
        (0.9, 0.0, 5.26316, 263.88686),
        (0.9, 0.5, 13.87560, 778.11743),
        (0.95, 0.9, 131.21132, 34815.1247),
        (0.9, 0.99, 91.30855, 8732.84887),
    ],
)
def test_moments_of_a_linear_unit_under_correlated_inputs(decay, correlation, state, sensitivity):
    np.testing.assert_allclose(curse.state_variance(decay, correlation), state, atol=6e-6)
    found = curse.sensitivity_variance(decay, correlation)
    np.testing.assert_allclose(found, sensitivity, rtol=0, atol=6e-5)


@pytest.mark.parametrize(("decay", "correlation"), PAIRS)
def test_moments_are_the_double_sums_over_lags(decay, correlation):
    powers, by_decay = response(decay)
    found = curse.state_variance(decay, correlation)
    np.testing.assert_allclose(found, mean_square(powers, correlation), rtol=1e-10)
    found = curse.sensitivity_variance(decay, correlation)
    np.testing.assert_allclose(found, mean_square(by_decay, correlation), rtol=1e-10)


@pytest.mark.parametrize(("decay", "correlation"), PAIRS)
def test_moments_of_the_normalised_unit_are_the_double_sums_too(decay, correlation):
    powers, by_decay = response(decay)
    factor = math.sqrt(1 - decay**2)
    found = curse.normalised_variance(decay, correlation)
    np.testing.assert_allclose(found, mean_square(factor * powers, correlation), rtol=1e-10)
    total = factor * by_decay - decay / factor * powers
    found = curse.normalised_sensitivity_variance(decay, correlation)
    np.testing.assert_allclose(found, mean_square(total, correlation), rtol=1e-10)


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.99, -0.8])
def test_under_white_noise_the_sensitivity_is_the_curvature(decay):
    assert curse.state_variance(decay, 0.0) == pytest.approx(1 / (1 - decay**2), rel=1e-14)
    expected = (1 + decay**2) / (1 - decay**2) ** 3
    assert curse.sensitivity_variance(decay, 0.0) == pytest.approx(expected, rel=1e-14)
    assert curse.curvature(decay) == pytest.approx(expected, rel=1e-14)
    expected = 1 / (1 - decay**2) ** 2
    found = curse.normalised_sensitivity_variance(decay, 0.0)
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_curvature_explodes_with_the_memory():
    found = [curse.curvature(decay) for decay in (0.9, 0.99, 0.999)]
    np.testing.assert_allclose(found, [263.89, 251262.6, 2.50125e8], rtol=2e-5)


@pytest.mark.parametrize("decay", [0.4, 0.9, 0.95])
def test_the_curvature_is_the_second_difference_of_the_loss(decay):
    step = 1e-3 * (1 - decay)
    sides = curse.loss(decay + step, decay) + curse.loss(decay - step, decay)
    assert curse.loss(decay, decay) == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(sides / step**2, curse.curvature(decay), rtol=1e-4)
    v = math.log(-math.log(decay))
    sides = sum(
        curse.normalised_loss(math.exp(-math.exp(v + side)), decay) for side in (1e-3, -1e-3)
    )
    np.testing.assert_allclose(sides / 1e-6, curse.normalised_curvature(decay), rtol=1e-5)


@pytest.mark.parametrize(
    ("student", "teacher"), [(0.9, 0.7), (0.9j, 0.7), (0.8 + 0.3j, -0.5 + 0.2j)]
)
def test_the_loss_is_the_sum_of_squared_differences_of_the_responses(student, teacher):
    k = np.arange(2000)
    expected = 0.5 * np.sum(np.abs(np.power(student, k) - np.power(teacher, k)) ** 2)
    assert curse.loss(student, teacher) == pytest.approx(expected, rel=1e-12)
    turned = curse.loss(student * cmath.exp(0.4j), teacher * cmath.exp(0.4j))
    assert turned == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("student", "teacher"), [(0.9, 0.7), (0.99, -0.3), (0.999, 0.99)])
def test_the_normalised_loss_too(student, teacher):
    k = np.arange(30_000)
    own, other = (math.sqrt(1 - decay**2) * decay**k for decay in (student, teacher))
    expected = 0.5 * np.sum((own - other) ** 2)
    assert curse.normalised_loss(student, teacher) == pytest.approx(expected, rel=1e-10)


def test_normalised_and_reparametrised_the_curvature_stays_of_order_one():
    found = [curse.normalised_curvature(1 - 10.0**-k) for k in range(1, 8)]
    assert np.all(np.diff(found) > 0)
    assert found[0] > 0.24 and found[-1] == pytest.approx(0.25, abs=1e-9)
    decay = 0.9
    by_chain = (decay * math.log(decay)) ** 2 * curse.normalised_sensitivity_variance(decay, 0)
    assert curse.normalised_curvature(decay) == pytest.approx(by_chain, rel=1e-10)
    assert curse.reparametrised_sensitivity_variance(decay, 0) == pytest.approx(by_chain, rel=1e-15)


def test_mean_state_variance_of_a_ring_of_eigenvalues():
    assert curse.ring_variance(0.9, 0.999) == pytest.approx(24.225281, abs=6e-7)
    square = 0.81 + (0.999**2 - 0.81) * (np.arange(200_000) + 0.5) / 200_000
    assert curse.ring_variance(0.9, 0.999) == pytest.approx(np.mean(1 / (1 - square)), rel=1e-6)
    assert curse.ring_variance(0.9, 0.9) == pytest.approx(1 / 0.19)
    assert curse.ring_variance(0.9, 0.9 + 1e-9) == pytest.approx(1 / 0.19, rel=1e-7)


def test_long_memories_keep_their_digits():
    rest = 2.0**-40  # 1 - l, which float64 holds exactly
    decay = 1 - rest
    short = rest * (2 - rest)
    assert curse.state_variance(decay, 0.0) == pytest.approx(1 / short, rel=1e-13)
    assert curse.curvature(decay) == pytest.approx((2 - short) / short**3, rel=1e-13)
    assert curse.sensitivity_variance(decay, 0.0) == pytest.approx(
        (2 - short) / short**3, rel=1e-13
    )
    assert curse.normalised_sensitivity_variance(decay, 0.0) == pytest.approx(
        1 / short**2, rel=1e-13
    )
    assert curse.ring_variance(decay, decay) == pytest.approx(1 / short, rel=1e-13)


@pytest.mark.parametrize("decay", [0.5, -0.5, 0.5j])
def test_the_loss_near_the_teacher_is_its_curvature(decay):
    away = 2.0**-30
    size = abs(decay) ** 2
    expected = 0.5 * away**2 * (1 + size) / (1 - size) ** 3
    assert curse.loss(decay + away, decay) == pytest.approx(expected, rel=1e-7, abs=0)
    if decay.imag == 0:
        found = curse.normalised_loss(decay + away, decay)
        assert found == pytest.approx(0.5 * (away / (1 - size)) ** 2, rel=1e-7, abs=0)


def test_the_normalised_curvature_of_the_shortest_memory_is_in_range():
    assert curse.normalised_curvature(5e-324) == 0.0


def test_losses_of_two_long_memories_keep_their_digits():
    """The second forgets twice as fast as the first, both of some 1e12 steps."""
    rest = 2.0**-40
    apart = 0.5 * math.log(2)  # of atanh l, to 1e-12
    for sign in (1, -1):
        slow, fast = sign * (1 - rest), sign * (1 - 2 * rest)
        for pair in ((slow, fast), (fast, slow)):
            found = curse.normalised_loss(*pair)
            assert found == pytest.approx(1 - 1 / math.cosh(apart), rel=1e-11)
            expected = (1 / 2 + 1 / 4 - 2 / 3) / (2 * rest)
            assert curse.loss(*pair) == pytest.approx(expected, rel=1e-11)
    nearest = math.nextafter(1, 0)
    assert curse.normalised_loss(nearest, -nearest) == pytest.approx(1, rel=1e-15)
