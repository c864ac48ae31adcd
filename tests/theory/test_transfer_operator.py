import math

import numpy as np
import pytest

from rnnjax.theory import transfer_operator
from rnnjax.theory.mean_field import expectation, tanh_log_slope

PAIRS = [(1.0, 1.0), (2.0, 0.5), (2.0, 1.0), (0.5, 1.0)]


@pytest.mark.parametrize(
    ("weight", "noise", "expected"),
    [
        (1, 1, -1.02492968),
        (2, 0.5, -1.68167542),
        (2, 1, -1.55502866),
        (0.5, 1, -1.50424708),
    ],
)
def test_exponent_of_a_noisy_unit(weight, noise, expected):
    """Independent discretisation with 4001 points, eight digits."""
    found = transfer_operator.exponent(weight, noise)
    np.testing.assert_allclose(found, expected, rtol=0, atol=6e-9)


@pytest.mark.wide
@pytest.mark.parametrize(("weight", "noise"), [*PAIRS, (5.0, 0.5), (0.1, 3.0)])
def test_the_exponent_does_not_depend_on_the_grid_or_on_the_sign_of_the_weight(
    monkeypatch, weight, noise
):
    found = transfer_operator.exponent(weight, noise)
    assert transfer_operator.exponent(-weight, noise) == pytest.approx(found, abs=1e-12)
    monkeypatch.setattr(transfer_operator, "_STEPS_PER_WIDTH", 3.0)
    assert transfer_operator.exponent(weight, noise) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize(("weight", "noise"), PAIRS)
def test_the_mean_slope_of_the_log_gradient_over_lags_is_the_exponent(weight, noise):
    """4000 chains of 300 steps after 50; 4 standard errors over chains."""
    rng, a, total = np.random.default_rng(0), np.zeros(4000), np.zeros(4000)
    for t in range(350):
        a = -weight * np.tanh(a) + noise * rng.normal(size=4000)
        if t >= 50:
            total += math.log(weight) + tanh_log_slope(a)
    slope = total / 300
    error = slope.std(ddof=1) / math.sqrt(4000)
    assert error < 3e-3
    assert abs(slope.mean() - transfer_operator.exponent(weight, noise)) < 4 * error


@pytest.mark.parametrize(("weight", "noise"), PAIRS)
def test_the_density_is_a_density_that_one_step_leaves_as_it_is(weight, noise):
    a, density = transfer_operator.stationary_density(weight, noise)
    step = a[1] - a[0]
    assert density.sum() * step == pytest.approx(1, rel=1e-12)
    assert density.min() > -1e-14
    np.testing.assert_allclose(density, density[::-1], atol=1e-13)
    # E a'^2 = w^2 E tanh(a)^2 + s^2 in the stationary state.
    square, folded = (density @ f * step for f in (a**2, np.tanh(a) ** 2))
    assert square == pytest.approx(weight**2 * folded + noise**2, rel=1e-12)


def test_with_a_small_weight_the_pre_activation_is_the_noise():
    found = transfer_operator.exponent(1e-9, 0.7)
    assert found == pytest.approx(math.log(1e-9) + expectation(tanh_log_slope, 0.49), rel=1e-10)


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0, 5.0, 12.0])
def test_a_noisy_unit_contracts_at_every_weight(weight):
    assert transfer_operator.exponent(weight, 1.0) < 0


def test_too_little_noise_is_refused():
    with pytest.raises(ValueError, match="noise: expected a larger one beside the weight 2, got"):
        transfer_operator.exponent(2.0, 1e-3)
