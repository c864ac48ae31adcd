import math

import numpy as np
import pytest

from rnnjax.theory import scalar_chain


@pytest.mark.parametrize(
    ("name", "y"), [("identity", 3.6), ("tanh", 1.846106), ("sigmoid", 1.65978), ("relu", 3.6)]
)
def test_the_worked_example(name, y):
    steps = scalar_chain.two_steps(name, (0.5, 0.25, 2.0, 0.8), (2.0, 4.0))
    assert steps.values[-1] == pytest.approx(y, abs=6e-7)


@pytest.mark.parametrize("name", list(scalar_chain.FUNCTIONS))
@pytest.mark.parametrize("w_n", [-0.3, 0.8, 2.0])
def test_the_gradient_of_two_steps_is_a_finite_difference(name, w_n):
    weights, size = np.array([0.5, 0.25, 2.0, w_n]), 1e-6

    def y(weights):
        return scalar_chain.two_steps(name, weights, (2.0, 4.0)).values[-1]

    found = scalar_chain.two_steps(name, weights, (2.0, 4.0)).gradient
    differences = [(y(weights + d) - y(weights - d)) / (2 * size) for d in size * np.eye(4)]
    np.testing.assert_allclose(found, differences, rtol=1e-8, atol=1e-9)
    assert np.all(np.abs(found) > 0)


@pytest.mark.parametrize("w_n", [-1.5, 0.5, 0.9, 1.1, 2.0])
def test_weight_gradient_is_the_closed_form(w_n):
    n = 50
    closed = (1 - (n + 1) * w_n**n + n * w_n ** (n + 1)) / (1 - w_n) ** 2
    assert scalar_chain.weight_gradient(w_n, n) == pytest.approx(closed, rel=1e-12)


def test_weight_gradient_at_one_and_zero():
    assert scalar_chain.weight_gradient(1.0, 50) == 1275
    assert scalar_chain.weight_gradient(0.0, 50) == 1
    assert scalar_chain.weight_gradient(0.7, 0) == 0


def test_a_weight_gradient_beyond_float64_is_infinite_without_a_warning():
    assert scalar_chain.weight_gradient(np.float64(1e30), 50) == np.inf


def test_log_coefficient_at_lag_zero_and_at_weight_zero():
    found = scalar_chain.log_coefficient(np.array([[0.0], [-2.0]]), np.arange(3))
    np.testing.assert_allclose(found[1], np.log(2) * np.arange(3))
    assert found[0].tolist() == [0.0, -math.inf, -math.inf]
    np.testing.assert_allclose(scalar_chain.log_coefficient(4.0, np.arange(4), 0.25), -math.log(4))


def test_horizons():
    assert scalar_chain.horizon(0.9) == pytest.approx(43.7087, abs=1e-4)
    assert scalar_chain.horizon(-0.99) == pytest.approx(458.211, abs=1e-3)
    assert scalar_chain.horizon(2.0, mean_slope=0.25) == pytest.approx(6.6439, abs=1e-4)
    assert scalar_chain.horizon(1.0) == math.inf
    assert scalar_chain.horizon(0.0) == 0


@pytest.mark.parametrize(
    ("w_n", "fixed_point"), [(1.1, 0.503), (1.5, 0.859), (2, 0.958), (3, 0.995)]
)
def test_tanh_has_fixed_points_that_contract(w_n, fixed_point):
    h = scalar_chain.tanh_fixed_point(w_n)
    assert h == pytest.approx(fixed_point, abs=6e-4)
    assert math.tanh(w_n * h) == pytest.approx(h, abs=1e-14)
    assert w_n * (1 - h * h) < 1


def test_tanh_has_no_fixed_point_but_zero_up_to_one():
    assert scalar_chain.tanh_fixed_point(1.0) == 0


@pytest.mark.parametrize(
    ("gain", "first"),
    [(0.0, 0.2), (0.05, 0.202), (0.5, 0.240), (1, 0.333), (1.5, 0.446), (-0.8, 0.238)],
)
def test_equal_errors_accumulate_towards_the_first_step(gain, first):
    shares = scalar_chain.step_shares(gain, 5)
    assert shares[0] == pytest.approx(first, abs=6e-4)
    assert shares.sum() == pytest.approx(1)
    # Backward by hand: delta_t = 1 + g delta_{t+1}.
    delta, deltas = 0.0, []
    for _ in range(5):
        delta = 1 + gain * delta
        deltas.append(abs(delta))
    np.testing.assert_allclose(shares, np.array(deltas[::-1]) / sum(deltas), rtol=1e-14)


@pytest.mark.parametrize("gain", [10.0, -10.0, 1e200])
def test_shares_of_steps_whose_errors_leave_the_range(gain):
    shares = scalar_chain.step_shares(gain, 400)
    # delta_t = (g^n - 1) / (g - 1) with n = T - t + 1, so that the ratio of neighbours is g.
    first = 1 - 1 / abs(gain)
    np.testing.assert_allclose(shares[:3], first * abs(gain) ** -np.arange(3.0), rtol=1e-13)
    assert shares.sum() == pytest.approx(1) and np.isfinite(shares).all()


@pytest.mark.parametrize("z", [-800.0, -720.0, 720.0, 800.0])
def test_activations_and_slopes_far_out(z):
    for name, low in (("sigmoid", 0.0), ("tanh", -1.0)):
        steps = scalar_chain.two_steps(name, (1.0, 1.0, 1.0, 1.0), (z, 0.0))
        assert steps.values[0] == pytest.approx(1.0 if z > 0 else low, abs=1e-300)
        assert steps.gradient[0] == pytest.approx(0, abs=1e-300)
    _, slope = scalar_chain.FUNCTIONS["tanh"]
    assert slope(300.0) == pytest.approx(4 * math.exp(-600), rel=1e-14)


def test_of_the_last_error_alone_the_oldest_copy_has_most_only_beyond_one():
    assert scalar_chain.shares(0.5, 10)[0] == pytest.approx(0.5, abs=6e-4)
    assert scalar_chain.shares(1.5, 10)[-1] == pytest.approx(0.339, abs=6e-4)


def test_shares_by_step_are_shares_by_lag_in_reverse():
    for w_n in (0.5, -1.5):
        powers = np.abs(w_n) ** np.arange(4)[::-1]
        np.testing.assert_allclose(scalar_chain.input_shares(w_n, 4), powers / powers.sum())
