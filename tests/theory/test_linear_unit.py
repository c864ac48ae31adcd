import math

import mpmath
import numpy as np
import pytest

from rnnjax.theory import linear_unit, scalar_chain


@pytest.mark.parametrize("weight", [-1.2, 0.0, 0.5, 0.9, 1.1])
@pytest.mark.parametrize("n_steps", [0, 1, 2, 3, 20])
def test_a_power_and_its_derivatives_by_the_weight(weight, n_steps):
    polynomial = np.polynomial.Polynomial.basis(n_steps) * 1.7
    expected = [polynomial.deriv(order)(weight) for order in range(3)]
    np.testing.assert_allclose(linear_unit.power(weight, n_steps, 1.7), expected, rtol=1e-13)


def test_derivatives_of_the_squared_error_follow_by_the_chain_rule():
    """L = (h_T - y)^2 / 2: dL/dw = (h_T - y) T w^(T-1) h_0, by a central difference."""
    T, start, y, size = 12, 2.0, 0.3, 1e-6
    value, first, _ = linear_unit.power(0.9, T, start)
    ends = [0.5 * (linear_unit.power(0.9 + d, T, start).value - y) ** 2 for d in (size, -size)]
    assert (ends[0] - ends[1]) / (2 * size) == pytest.approx((value - y) * first, rel=1e-8)


@pytest.mark.parametrize("weight", [0.5, 0.9, -0.9, 0.99, 0.999])
def test_the_sensitivity_to_the_weight_is_largest_at_minus_one_over_its_logarithm(weight):
    best = linear_unit.most_sensitive_step(weight)
    lags = np.arange(int(20 * best) + 3)
    found = np.argmax([abs(linear_unit.power(weight, T).first) for T in lags])
    assert abs(lags[found] - best) <= 1
    nudge = 1e-4 * best
    at = [T * abs(weight) ** (T - 1) for T in (best - nudge, best, best + nudge)]
    assert at[1] > max(at[0], at[2])


@pytest.mark.parametrize("weight", [-1.0, 0.0, 1.0, 1.5])
def test_without_decay_the_sensitivity_has_no_maximum(weight):
    with pytest.raises(ValueError, match=r"weight: expected 0 < \|w\| < 1"):
        linear_unit.most_sensitive_step(weight)


@pytest.mark.parametrize("weight", [-0.8, 0.0, 0.5, 0.9])
def test_derivatives_of_a_unit_under_constant_input(weight):
    """Sums of k!/(k-j)! w^(k-j) over all lags."""
    for order in range(4):
        series = sum(math.perm(k, order) * weight ** (k - order) for k in range(order, 800))
        found = linear_unit.driven_derivative(weight, order)
        assert found == pytest.approx(series, rel=1e-12)
    first = scalar_chain.weight_gradient(weight, 800)
    assert linear_unit.driven_derivative(weight, 1) == pytest.approx(first, rel=1e-12)


def by_many_digits(weight, deviation, n_steps):
    """Mean and deviation from the binomial sum over even Gaussian moments, 60 digits."""
    with mpmath.workdps(60):
        w, s = mpmath.mpf(weight), mpmath.mpf(deviation)

        def moment(order):
            return mpmath.fsum(
                mpmath.binomial(order, j) * w ** (order - j) * s**j * mpmath.fac2(j - 1)
                for j in range(0, order + 1, 2)
            )

        mean = moment(n_steps)
        return float(mean), float(mpmath.sqrt(moment(2 * n_steps) - mean**2))


@pytest.mark.parametrize("weight", [0.9, -1.1])
@pytest.mark.parametrize("deviation", [1e-6, 0.01, 0.3])
@pytest.mark.parametrize("n_steps", [1, 2, 7, 40])
def test_moments_of_a_power_of_a_gaussian_weight(weight, deviation, n_steps):
    expected = by_many_digits(weight, deviation, n_steps)
    found = linear_unit.uncertain_power(weight, deviation, n_steps)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    scaled = linear_unit.uncertain_power(weight, deviation, n_steps, -2.0)
    np.testing.assert_allclose(scaled, (-2 * expected[0], 2 * expected[1]), rtol=1e-12)


def test_moments_near_and_beyond_the_range_of_float64():
    found = linear_unit.uncertain_power(0.9, 0.3, 400)  # the variance is 1e605
    np.testing.assert_allclose(found, by_many_digits(0.9, 0.3, 400), rtol=1e-12)
    small = linear_unit.uncertain_power(0.9, 0.3, 500, -1e-300)
    mean, _ = linear_unit.uncertain_power(0.9, 0.3, 400, -1e-300)
    assert mean == pytest.approx(-1e-300 * found.mean, rel=1e-12)
    assert -math.inf < small.mean < -1e10 and 1e60 < small.deviation < math.inf
    assert linear_unit.uncertain_power(0.9, 0.3, 4000, -1.0) == (-math.inf, math.inf)


def test_powers_and_derivatives_beyond_the_range_are_infinite():
    assert linear_unit.power(-2.0, 2001) == (-math.inf, math.inf, -math.inf)
    assert linear_unit.power(2.0, 2000, 0.0) == (0, 0, 0)
    found = linear_unit.power(-2.0, 1101, 1e-300)
    T, lone = 1101, 2.0**301 * 1e-300
    expected = (-(2.0**800) * lone, T * 2.0**799 * lone, -T * (T - 1) * 2.0**798 * lone)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert linear_unit.driven_derivative(0.5, 200) == math.inf
    expected = float(mpmath.factorial(180) / mpmath.mpf(1.5) ** 181)
    assert linear_unit.driven_derivative(-0.5, 180) == pytest.approx(expected, rel=1e-12)


def test_a_certain_weight_and_no_step_at_all_have_no_deviation():
    assert linear_unit.uncertain_power(0.9, 0.0, 20) == pytest.approx((0.9**20, 0))
    assert linear_unit.uncertain_power(0.9, 0.1, 0) == (1, 0)


@pytest.mark.parametrize("n_steps", [2, 10, 50])
def test_the_delta_method_is_right_to_second_order_where_the_uncertainty_is_small(n_steps):
    weight, errors = 0.95, []
    for uncertainty in (0.02, 0.01):
        deviation = uncertainty * weight / n_steps
        assert linear_unit.uncertainty(weight, deviation, n_steps) == pytest.approx(uncertainty)
        exact = np.array(linear_unit.uncertain_power(weight, deviation, n_steps))
        estimate = np.array(linear_unit.delta_method(weight, deviation, n_steps))
        bias = n_steps * (n_steps - 1) * deviation**2 / (2 * weight**2)
        assert estimate[0] / weight**n_steps - 1 == pytest.approx(bias, rel=1e-8)
        errors.append(np.abs(exact / estimate - 1))
    assert errors[1][1] < uncertainty**2
    # The deviation is right to a factor 1 + O(u^2): its error falls by 4 with half of u.
    np.testing.assert_allclose(errors[0][1] / errors[1][1], 4, rtol=1e-3)
    # And the mean to 1 + O(u^4); w^2 has no term of fourth order.
    if n_steps > 2:
        np.testing.assert_allclose(errors[0][0] / errors[1][0], 16, rtol=0.1)


def test_the_delta_method_breaks_down_where_the_uncertainty_is_not_small():
    """At T = 50 and T s / |w| = 0.1, 1 and 3: the exact deviation over the estimate."""
    ratios = []
    for uncertainty in (0.1, 1.0, 3.0):
        deviation = uncertainty * 0.9 / 50
        exact = linear_unit.uncertain_power(0.9, deviation, 50)
        ratios.append(exact.deviation / linear_unit.delta_method(0.9, deviation, 50).deviation)
    np.testing.assert_allclose(ratios, (1.0071, 2.0286, 313.95), rtol=1e-4)


def test_integers_and_floats_of_numpy_neither_wrap_nor_lose_a_start_of_zero():
    expected = linear_unit.power(3.0, 200)
    assert linear_unit.power(np.int64(3), np.int64(200)) == expected
    assert linear_unit.power(np.float64(1e300), 9, 0.0) == (0.0, 0.0, 0.0)
    assert linear_unit.power(2, 2000).value == float("inf")


@pytest.mark.parametrize(
    "call",
    [
        lambda n: linear_unit.power(0.5, n),
        lambda n: linear_unit.uncertain_power(0.5, 0.1, n),
        lambda n: linear_unit.delta_method(0.5, 0.1, n),
        lambda n: linear_unit.driven_derivative(0.5, n),
    ],
)
@pytest.mark.parametrize("count", [-1, 1.5, True])
def test_steps_and_orders_are_counts(call, count):
    with pytest.raises(ValueError, match=r"expected a whole number of at least 0, got"):
        call(count)
