import numpy as np
import pytest

from rnnjax.theory import mean_field


@pytest.mark.parametrize(
    ("variance", "gain"),
    [(0.01, 1.193401), (0.05, 1.327010), (0.1, 1.409281), (1.0, 1.855589)],
)
def test_critical_gain_of_tanh_under_noise(variance, gain):
    """Independent float64 quadrature of the same equations, six digits."""
    found = mean_field.critical_gain(np.tanh, mean_field.tanh_slope, variance)
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
    found = mean_field.chi(np.tanh, mean_field.tanh_slope, gain, noise)
    np.testing.assert_allclose(found, chi, atol=6e-7)


def test_a_large_q_is_still_resolved():
    """At g = 40 the slope lives on |z| < 0.03: chi -> g^2 (4/3) / sqrt(2 pi q)."""
    q = mean_field.variance(np.tanh, 40, 0.0)
    found = mean_field.chi(np.tanh, mean_field.tanh_slope, 40, 0.0)
    np.testing.assert_allclose(found, 40**2 * (4 / 3) / np.sqrt(2 * np.pi * q), rtol=2e-3)


def test_bad_brackets_and_unbounded_activations_are_refused():
    with pytest.raises(ValueError, match="low, high: expected chi < 1 and chi > 1"):
        mean_field.critical_gain(np.tanh, mean_field.tanh_slope, 1.0, low=0.1, high=0.5)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="expected a bounded"):
        mean_field.variance(lambda x: x, 1.0, 0.1)


def test_without_noise_nothing_moves_below_the_transition():
    assert mean_field.variance(np.tanh, 0.9, 0.0) == 0
    assert mean_field.variance(np.tanh, 1.0, 0.0) < 1e-6
    assert mean_field.variance(np.tanh, 1.1, 0.0) > 0.05
