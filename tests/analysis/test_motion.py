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
