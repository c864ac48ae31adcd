"""The ridge of a surface whose largest slopes are known."""

import numpy as np
import pytest
from jax import numpy as jnp

import rnnjax


def test_the_ridge_of_a_small_table():
    norms = jnp.array([[1.0, 4.0, 2.0], [9.0, 3.0, 5.0]])
    first, second = jnp.array([10.0, 20.0]), jnp.array([-1.0, 0.0, 1.0])
    found = rnnjax.analysis.ridge(jnp.log(norms), first, second)
    np.testing.assert_allclose([found.largest, found.median], [9.0, np.sqrt(12.0)], rtol=1e-12)
    np.testing.assert_array_equal(found.at, [20.0, -1.0])
    np.testing.assert_array_equal(found.second, [0.0, -1.0])


def test_a_norm_that_is_no_number_has_no_place():
    norms, second = jnp.array([[1.0, jnp.nan, 2.0], [9.0, 3.0, 5.0]]), jnp.array([-1.0, 0.0, 1.0])
    found = rnnjax.analysis.ridge(norms, jnp.array([10.0, 20.0]), second)
    assert np.all(np.isnan([found.largest, found.median, *found.at]))
    np.testing.assert_array_equal(found.second, [np.nan, -1.0])


def test_a_grid_without_points_has_no_ridge():
    with pytest.raises(ValueError, match=r"^log_norm: expected at least one norm, got shape"):
        rnnjax.analysis.ridge(jnp.zeros((0, 2)), jnp.zeros(0), jnp.zeros(2))
