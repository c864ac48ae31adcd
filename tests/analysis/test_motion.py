"""The share of forecasts that move in the right direction."""

import numpy as np
import pytest
from jax import numpy as jnp

from rnnjax.analysis import share_in_direction


def test_the_share_counts_what_moves_a_hundredth_of_the_way():
    way = jnp.array([[2.0, 0.0], [0.0, -1.0], [1.0, 1.0]])
    moved = jnp.stack([way, -way, 0 * way, 0.02 * way, 0.009 * way])
    np.testing.assert_array_equal(share_in_direction(moved, way), [1, 0, 0, 1, 0])


@pytest.mark.wide
def test_a_forecast_is_judged_along_the_way_alone():
    way = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    moved = jnp.array([[0.5, 9.0], [-0.5, 9.0]])
    assert float(share_in_direction(moved, way)) == 0.5


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30, 1.5e38])
def test_the_share_is_the_same_at_any_size(size):
    way = np.float32(size) * jnp.array([[2.0, 0.0], [0.0, -1.0], [1.0, 1.0]], jnp.float32)
    moved = jnp.stack([way, -way, 0 * way, 0.02 * way, 0.009 * way])
    np.testing.assert_array_equal(share_in_direction(moved, way), [1, 0, 0, 1, 0])


@pytest.mark.parametrize("lost", [jnp.nan, jnp.inf])
def test_a_forecast_that_is_not_finite_has_no_direction(lost):
    way = jnp.array([[2.0, 0.0], [0.0, -1.0]])
    moved = jnp.stack([way, way.at[1, 0].set(lost)])
    np.testing.assert_array_equal(share_in_direction(moved, way), [1, jnp.nan])
    assert jnp.isnan(share_in_direction(way, way.at[0, 1].set(lost)))
