import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import analysis


def test_the_horizon_of_an_exponential_is_the_first_lag_below():
    """0.9^k < 1/100 first at k = 44 (ln 0.01 / ln 0.9 = 43.7)."""
    assert analysis.horizon(jnp.log(0.9) * jnp.arange(60)) == 44
    assert analysis.horizon(5 + jnp.log(0.5) * jnp.arange(60)) == 7
    assert analysis.horizon(jnp.log(0.9) * jnp.arange(60), decades=1.0) == 22


def test_no_fall_within_the_window_is_infinite_and_zero_is_a_fall():
    assert analysis.horizon(jnp.log(1.1) * jnp.arange(60)) == jnp.inf
    assert analysis.horizon(jnp.array([0.0, -1.0, -jnp.inf, -jnp.inf])) == 2


def test_a_nan_before_the_fall_leaves_the_horizon_undefined():
    assert jnp.isnan(analysis.horizon(jnp.array([0.0, jnp.nan, -9.0])))
    assert analysis.horizon(jnp.array([0.0, -9.0, jnp.nan])) == 1


def test_a_norm_that_starts_at_zero_or_infinity_falls_nowhere():
    assert jnp.isnan(analysis.horizon(jnp.full(6, -jnp.inf)))
    assert jnp.isnan(analysis.horizon(jnp.array([jnp.inf, 5.0, 4.0])))


def test_the_e_folding_time_of_an_exponential_is_exact():
    found = analysis.e_folding(3 - 0.25 * jnp.arange(101))
    np.testing.assert_allclose(found["growth_rate"], -0.25, rtol=1e-13)
    np.testing.assert_allclose(found["e_folding_time"], 4.0, rtol=1e-13)
    np.testing.assert_allclose(found["e_folding_time_error"], 0.0, atol=1e-12)


def test_what_neither_grows_nor_falls_takes_forever_to_fall():
    assert analysis.e_folding(jnp.full(6, 2.0))["e_folding_time"] == jnp.inf


@pytest.mark.parametrize("memory", [0.0, 0.5])
def test_the_standard_error_covers_the_truth(memory):
    """Random walks with drift -0.3, also with correlated steps: 2 s.e. must hold it about 95 %."""
    noise = np.random.default_rng(0).standard_normal((2000, 900))
    steps = np.zeros_like(noise)
    for k in range(900):
        steps[:, k] = memory * steps[:, k - 1] * (k > 0) + noise[:, k]
    curves = np.concatenate([np.zeros((2000, 1)), np.cumsum(steps - 0.3, axis=1)], axis=1)
    found = jax.jit(jax.vmap(analysis.e_folding))(jnp.asarray(curves))
    distance = np.abs(found["growth_rate"] + 0.3) / found["growth_rate_error"]
    covered = np.mean(distance < 2)
    assert 0.90 < covered < 0.97


def test_too_few_lags_are_refused():
    with pytest.raises(ValueError, match="log_norm: expected at least 5 lags, got 4"):
        analysis.e_folding(jnp.zeros(4))


def test_a_nan_on_the_way_leaves_the_rate_undefined():
    log_norm = jnp.array([0.0, jnp.nan, -2.0, -3.0, -4.0, -5.0])
    assert all(jnp.isnan(value) for value in analysis.e_folding(log_norm).values())
    behind = analysis.e_folding(jnp.array([0.0, -1, -2, -3, -4, jnp.nan]), 4)
    np.testing.assert_allclose(behind["growth_rate"], -1.0)
