"""Means over strata against means of subsets, and their error against repeated draws."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import analysis


def test_the_means_are_those_of_the_subsets():
    rng = np.random.default_rng(0)
    values, which = rng.normal(size=(3, 40)), rng.integers(0, 4, size=(3, 40))  # 3: in none
    members = jax.nn.one_hot(which, 4)[..., :3]
    means, _ = analysis.stratified(jnp.asarray(values), members)
    expected = [values[which == s].mean() for s in range(3)]
    np.testing.assert_allclose(means, expected, rtol=1e-12)


def test_values_that_depend_on_the_stratum_alone_have_no_error():
    which = jax.random.randint(jax.random.key(0), (5, 30), 0, 3)
    values = jnp.array([1.0, 5.0, 9.0])[which]
    means, error = analysis.stratified(values, jax.nn.one_hot(which, 3))
    np.testing.assert_allclose(means, [1, 5, 9], rtol=1e-12)
    assert error < 1e-12


def test_the_error_is_the_spread_of_repeated_draws():
    def one(key):
        key_which, key_noise = jax.random.split(key)
        which = jax.random.randint(key_which, (20, 50), 0, 2)
        values = 3.0 * which + jax.random.normal(key_noise, (20, 50))
        means, error = analysis.stratified(values, jax.nn.one_hot(which, 2))
        return jnp.mean(means), error

    means, errors = jax.vmap(one)(jax.random.split(jax.random.key(1), 400))
    np.testing.assert_allclose(jnp.mean(errors), jnp.std(means), rtol=0.1)
