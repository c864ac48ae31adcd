"""The three starts of Pascanu, Mikolov and Bengio, 2013."""

import jax
import numpy as np
import pytest

from rnnjax import activations
from rnnjax.penalties import starts

N_X, N_H, N_Y = 6, 60, 4


@pytest.fixture(scope="module")
def numbers():
    return jax.jit(lambda keys: starts.draw(keys, N_X, N_H, N_Y))(
        jax.random.split(jax.random.key(0), 3)
    )


@pytest.mark.parametrize(
    ("name", "activation", "spread"),
    [("sigmoid", activations.sigmoid, 0.01), ("basic_tanh", activations.tanh, 0.1)],
)
def test_dense_starts_have_weights_of_one_spread(numbers, name, activation, spread):
    cell, params = starts.network(name, numbers, N_X)
    assert (cell.n_x, cell.n_h, cell.n_y, cell.activation) == (N_X, N_H, N_Y, activation)
    for weights in (params.W, params.U, params.V):
        # Six standard errors of a standard deviation.
        tolerance = 6 / np.sqrt(2 * weights.size)
        np.testing.assert_allclose(np.std(weights), spread, rtol=tolerance)


def test_the_smart_start_is_sparse_and_has_the_spectral_radius(numbers):
    cell, params = starts.network("smart_tanh", numbers, N_X)
    assert cell.activation is activations.tanh
    np.testing.assert_array_equal((params.W != 0).sum(axis=1), 15)
    radius = np.abs(np.linalg.eigvals(np.asarray(params.W))).max()
    np.testing.assert_allclose(radius, 0.95, rtol=1e-5)
    np.testing.assert_allclose(np.std(params.U), 0.01, rtol=0.25)


def test_parameters_are_those_of_the_cell(numbers):
    for name in starts.STARTS:
        cell, params = starts.network(name, numbers, N_X)
        shapes = jax.tree.map(np.shape, params)
        assert shapes == jax.tree.map(np.shape, jax.eval_shape(cell.init, jax.random.key(0)))
        assert not np.any(params.b) and not np.any(params.c)


def test_a_start_that_does_not_exist_is_refused(numbers):
    with pytest.raises(
        ValueError, match=r"^expected one of basic_tanh, sigmoid, smart_tanh, got 'tanh'"
    ):
        starts.network("tanh", numbers, N_X)
