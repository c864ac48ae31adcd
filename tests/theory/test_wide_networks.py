"""Wide networks by the name of their activation, against the theory that they are taken from."""

import numpy as np
import pytest

from rnnjax.theory import mean_field, mean_field_exact, wide_networks


@pytest.mark.parametrize("activation", wide_networks.ACTIVATIONS)
@pytest.mark.parametrize("gain", [0.5, 0.9])
def test_networks_at_rest_grow_as_the_gain_says(activation, gain):
    """Below g = 1 and without noise h = 0, where tanh and the scaled erf have the slope 1."""
    exponent = wide_networks.largest_exponent(activation, gain)
    np.testing.assert_allclose(exponent, np.log(gain), atol=1e-9)
    assert wide_networks.variance(activation, gain) == 0


@pytest.mark.parametrize("activation", wide_networks.ACTIVATIONS)
def test_the_exponent_is_0_at_the_critical_gain(activation):
    gain = wide_networks.critical_gain(activation, 0.1, 0.8, 2.3)
    assert abs(wide_networks.largest_exponent(activation, gain, 0.1)) < 1e-8
    assert wide_networks.critical_gain(activation, 0.1, 0.8, 1.1) is None
    assert wide_networks.critical_gain(activation, 0.1, 2.0, 2.3) is None


@pytest.mark.parametrize("gain", [1e5, 1e6, 1e8, 1e30])
def test_networks_of_any_gain_are_bounded(gain):
    """With q = g^2, E sech(q^(1/2) z)^4 tends to (4/3) / (2 pi q)^(1/2)."""
    limit = 0.5 * np.log(gain * (4 / 3) / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(wide_networks.largest_exponent("tanh", gain), limit, rtol=1e-6)
    np.testing.assert_allclose(wide_networks.variance("tanh", gain), gain**2, rtol=2e-5)
    np.testing.assert_allclose(wide_networks.variance("tanh", 1.0, gain), gain + 1, rtol=2e-2)


def test_both_are_those_of_their_theory():
    slope = mean_field.tanh_slope
    np.testing.assert_allclose(
        wide_networks.critical_gain("tanh", 1.0, 0.8, 2.3),
        mean_field.critical_gain(np.tanh, slope, 1.0),
        rtol=1e-6,
    )
    q = mean_field_exact.erf_variance(1.5, 0.3)
    assert wide_networks.variance("erf", 1.5, 0.3) == q
    np.testing.assert_allclose(
        wide_networks.largest_exponent("erf", 1.5, 0.3), np.log(1.5) - 0.25 * np.log1p(np.pi * q)
    )


def test_an_activation_without_theory_is_refused():
    with pytest.raises(ValueError, match="activation: expected one of"):
        wide_networks.largest_exponent("relu", 1.0)
