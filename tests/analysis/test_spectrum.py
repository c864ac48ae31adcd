import jax.numpy as jnp
import pytest

from rnnjax import analysis


def test_dimension_and_entropy_rate_of_known_spectra():
    dimension = analysis.kaplan_yorke_dimension
    # The Lorenz attractor: 2 + 0.9056 / 14.5723.
    assert dimension(jnp.array([0.9056, 0.0, -14.5723])) == pytest.approx(2 + 0.9056 / 14.5723)
    assert dimension(jnp.array([-0.1, -0.2])) == 0
    assert dimension(jnp.array([0.3, 0.1])) == 2
    assert dimension(jnp.array([-3.0, 1.0, -0.5])) == pytest.approx(2 + 0.5 / 3)
    assert dimension(jnp.array([0.5, -jnp.inf])) == 1
    assert analysis.entropy_rate(jnp.array([0.5, -2.0, 0.25])) == 0.75
