"""Closed forms keep their digits up to the border of where they hold, and are refused beyond it."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from rnnjax.theory import (
    add_task,
    bounds,
    curse_of_memory,
    linear_unit,
    mean_field,
    mean_field_exact,
    one_unit,
    random_matrices,
    scalar_chain,
    transfer_operator,
)

nan, inf = math.nan, math.inf


@pytest.mark.parametrize("weight", [4.000001, 5.0, 1e4, 1e12, 1e17, 1e300])
def test_folds_of_any_weight_have_their_digits(weight):
    with localcontext(prec=700):
        w = Decimal(weight)
        s = (1 + (1 - 4 / w).sqrt()) / 2
        x = (s / (1 - s)).ln()
        expected = [(x, x - w * s), (-x, -x - w * (1 - s))]
    found = one_unit.folds(weight)
    np.testing.assert_allclose(found, np.array(expected, float), rtol=1e-9, atol=0)
    assert one_unit.is_bistable(weight, 0.5 * (found[0].b + found[1].b))
    assert not one_unit.is_bistable(-weight, 0.0)


@pytest.mark.parametrize("variance", [1e-30, 1e-15, 1e-13, 1e-9])
def test_tiny_inputs_have_the_variance_of_a_linear_network(variance):
    """q = s^2 / (1 - g^2) as long as q^2 is nothing beside q."""
    expected = pytest.approx(variance / (1 - 0.9**2), rel=1e-7)
    assert mean_field.variance(np.tanh, 0.9, variance) == expected
    assert mean_field_exact.erf_variance(0.9, variance) == expected
    assert mean_field.expectation(lambda x: x**2, variance) == pytest.approx(variance, rel=1e-12)


def test_limits_are_their_values():
    assert mean_field.correlation_time(0.0) == 0.0
    assert linear_unit.uncertainty(0.0, 0.1, 3) == inf
    assert random_matrices.circular_law([-0.5, 0.0, 0.5, 3.0], 1.0).tolist() == [0, 0, 0.25, 1]
    assert mean_field.expectation(np.cos, 0.0) == pytest.approx(1.0, rel=1e-15)


def test_not_a_number_is_not_told_as_one():
    assert math.isnan(scalar_chain.tanh_fixed_point(nan))
    steps = scalar_chain.two_steps("relu", (1.0, nan, 1.0, 1.0), (1.0, 1.0))
    assert all(math.isnan(value) for value in steps.gradient)
    assert np.isnan(scalar_chain.log_coefficient(0.5, [1, 2], nan)).all()


BEYOND = [
    (scalar_chain.horizon, (nan,), "w_n: expected a finite number, got nan"),
    (scalar_chain.horizon, (0.9, 2.0), "share: expected a number above 0 and of at most 1"),
    (scalar_chain.horizon, (0.9, 0.0), "share: expected a number above 0 and of at most 1"),
    (scalar_chain.horizon, (0.9, 0.1, -1.0), "mean_slope: expected a number of at least 0"),
    (scalar_chain.log_coefficient, (0.9, 1, 0.0), "steepest: expected a number above 0, got 0"),
    (scalar_chain.two_steps, ("gelu", (1,) * 4, (1, 1)), "activation: expected one of identity,"),
    (one_unit.folds, (nan,), "weight: expected a finite number, got nan"),
    (one_unit.fixed_points, (nan, 0.0), "weight: expected a number of at least 0, got nan"),
    (one_unit.fixed_points, (-5.0, 0.0), "weight: expected a number of at least 0, got -5"),
    (one_unit.fixed_points, (5.0, nan), "bias: expected a finite number, got nan"),
    (one_unit.is_bistable, (5.0, nan), "bias: expected a finite number, got nan"),
    (one_unit.wall, (5.0, 800.0), "weight: expected > inf for a wall, got 5"),
    (one_unit.wall, (5.0, -800.0), "weight: expected > inf for a wall, got 5"),
    (linear_unit.driven_derivative, (2.0, 0), "weight: expected a number above -1 and below 1"),
    (linear_unit.driven_derivative, (1.0, 1), "weight: expected a number above -1 and below 1"),
    (bounds.shear_peak, (2.0, 3.0), r"\|radius\|: expected a number above 0 and below 1"),
    (bounds.shear_peak, (0.0, 3.0), r"\|radius\|: expected a number above 0 and below 1"),
    (bounds.shear_log_norm, (0.0, 3.0, 1), r"\|radius\|: expected a number above 0"),
    (bounds.log_bound, (0.0, 3.0, 1), "steepest: expected a number above 0, got 0.0"),
    (mean_field.variance, (np.tanh, nan, 0.1), "gain: expected a finite number, got nan"),
    (mean_field.variance, (np.tanh, 1.5, -0.1), "input_variance: .* of at least 0, got -0.1"),
    (mean_field.largest_exponent, (np.tanh, np.tanh, 0.0, 0.1), "gain: expected .* above 0"),
    (mean_field.mean_exponent, (np.tanh, np.tanh, -1.0, 0.1), "gain: expected .* above 0"),
    (mean_field.correlation_time, (-1.0,), "chi: expected a number of at least 0, got -1"),
    (mean_field.expectation, (np.tanh, -1.0), "q: expected a number of at least 0, got -1"),
    (mean_field_exact.erf_second_moment, (-0.1,), "q: expected a number of at least 0"),
    (mean_field_exact.erf_largest_exponent, (0.0, 0.1), "gain: expected a number above 0"),
    (mean_field_exact.erf_mean_exponent, (0.0, 0.1), "gain: expected a number above 0"),
    (mean_field_exact.lines_variance, (nan, 1, 0, 0.1), "chi: expected a finite number, got nan"),
    (mean_field_exact.lines_critical_gain, (0, 0), r"above\^2 \+ below\^2: expected .* above 0"),
    (random_matrices.product_exponents, (4, 0.0), "gain: expected a number above 0, got 0"),
    (random_matrices.product_exponents, (0, 1.0), "n: expected a number of at least 1, got 0"),
    (random_matrices.circular_law, (0.5, 0.0), "gain: expected a number above 0, got 0"),
    (transfer_operator.exponent, (0.0, 0.5), r"\|weight\|: expected a number above 0"),
    (transfer_operator.stationary_density, (1.0, 0.0), "noise: expected a number above 0"),
    (add_task.entropy, (nan,), "p: expected a number of at least 0 and of at most 1, got nan"),
    (add_task.entropy, (1.5,), "p: expected a number of at least 0 and of at most 1, got 1.5"),
    (curse_of_memory.state_variance, (2.0, 0.0), "decay: expected .* above -1 and below 1"),
    (curse_of_memory.state_variance, (0.5, 2.0), "correlation: expected .* of at most 1, got 2"),
    (curse_of_memory.sensitivity_variance, (1.0, 0.0), "decay: expected .* below 1, got 1"),
    (curse_of_memory.normalised_variance, (-1.0, 0.0), "decay: expected .* above -1"),
    (curse_of_memory.normalised_sensitivity_variance, (nan, 0.0), "decay: expected .* got nan"),
    (curse_of_memory.reparametrised_sensitivity_variance, (-0.5, 0.0), "decay: .* above 0"),
    (curse_of_memory.loss, (1j, 0.5), r"\|student\|: expected a number below 1, got 1"),
    (curse_of_memory.loss, (0.5, 2.0), r"\|teacher\|: expected a number below 1, got 2"),
    (curse_of_memory.curvature, (1.5,), "decay: expected .* above -1 and below 1, got 1.5"),
    (curse_of_memory.normalised_loss, (0.5, 1.0), "teacher: expected .* above -1 and below 1"),
    (curse_of_memory.normalised_curvature, (1.5,), "decay: expected .* above 0 and below 1"),
    (curse_of_memory.ring_variance, (0.5, 1.0), "largest: expected .* below 1, got 1"),
    (curse_of_memory.ring_variance, (0.9, 0.5), "smallest: expected .* of at most 0.5, got 0.9"),
]


@pytest.mark.parametrize(
    ("function", "args", "message"),
    BEYOND,
    ids=[f"{f.__name__}{a[:2]}" for f, a, _ in BEYOND],
)
def test_a_closed_form_is_refused_where_it_does_not_hold(function, args, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        function(*args)
    assert "\n" not in str(caught.value)
