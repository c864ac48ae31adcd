"""What rounding leaves of a gradient, from errors that are made on purpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.analysis import error_growth
from rnnjax.analysis.rounding import late_slope

EPSILON = 2.0**-24


def of_steps(values):
    return rnnjax.Scaled(values[:, None], jnp.zeros(len(values), jnp.int32))


def test_an_error_that_doubles_each_step_is_told_when_it_is():
    """d* = 1, errors of 2^(t - 9), t = 1..12: half of the digits are gone at once, all at t = 9."""
    error = 2.0 ** (jnp.arange(1, 13) - 9)
    growth = jnp.arange(12) * np.log(2)
    found = jax.jit(lambda e: error_growth(of_steps(1 + e), of_steps(1 + 0 * e), growth, EPSILON))(
        error
    )
    np.testing.assert_allclose(found["log_error"], np.log(error), atol=1e-12)
    np.testing.assert_allclose(found["error_slope"], np.log(2), rtol=1e-12)
    assert (found["share_finite"], found["slope_steps"]) == (1, 6)
    assert (found["half_digits_step"], found["all_digits_step"]) == (1, 9)
    assert found["predicted_step"] == np.inf  # 2^-24 needs 24 steps more


def test_what_is_lost_is_no_digit():
    there = jnp.array([1.0, 1.0, jnp.inf, 1.0])
    found = jax.jit(
        lambda d: error_growth(of_steps(d), of_steps(jnp.ones(4)), jnp.zeros(4), EPSILON)
    )(there)
    assert (found["share_finite"], found["all_digits_step"]) == (0.75, 3)


def test_late_slope_of_a_line_and_of_one_that_overflows():
    error = 0.7 * jnp.arange(10.0)
    cut = jnp.arange(10) < 7
    slope, steps = jax.jit(late_slope)(error, cut | True)
    assert (float(slope), int(steps)) == (pytest.approx(0.7), 5)
    slope, steps = jax.jit(late_slope)(jnp.where(cut, error, jnp.inf), cut)
    assert (float(slope), int(steps)) == (pytest.approx(0.7), 3)
    slope, _ = jax.jit(late_slope)(error, jnp.arange(10) < 1)
    assert np.isnan(slope)
