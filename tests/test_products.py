"""Products of matrices whose growth is known by construction."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax import matrices

D = jax.device_put(np.diag([2.0, 1.0, 0.5]))


def test_directions_of_a_diagonal_matrix_grow_as_its_entries_say():
    found = jax.jit(lambda: matrices.growth_of_directions(lambda t: D, 3, 5))()
    np.testing.assert_allclose(found, np.tile(np.log([2, 1, 0.5]), (5, 1)), atol=1e-14)


def test_products_of_rotations_neither_grow_nor_shrink():
    def factor(t):
        return rnnjax.cells.orthogonal(jax.random.fold_in(jax.random.key(0), t), 4)

    found = jax.jit(lambda: matrices.growth_of_directions(factor, 4, 6))()
    norms = jax.jit(lambda: matrices.norms_of_products(factor, 4, 6))()
    np.testing.assert_allclose(found, 0, atol=1e-13)
    np.testing.assert_allclose(norms["log_norm"], 0, atol=1e-13)
    np.testing.assert_allclose(norms["second_moment"], 1, rtol=1e-13)


def test_exponents_of_products_with_their_errors():
    """Diagonal factors whose logarithms alternate: the mean, and the error of independent ones."""
    logs = jnp.array([[1.0, 0.0], [3.0, -1.0]])
    factor = lambda t: jnp.diag(jnp.exp(logs[t % 2]))  # noqa: E731
    mean, error = jax.jit(lambda: matrices.exponents_of_products(factor, 2, 10))()
    np.testing.assert_allclose(mean, [2, -0.5], rtol=1e-13)
    np.testing.assert_allclose(error, np.array([1, 0.5]) / 3, rtol=1e-13)


def test_eigenvalues_of_a_matrix_that_is_not_normal():
    W = jnp.array([[0.5, 7.0, 1.0], [0.0, -2.0, 3.0], [0.0, 0.0, 1.0]])
    found = jax.jit(lambda: matrices.log_eigenvalues(W, 400))()
    np.testing.assert_allclose(found, np.log([2, 1, 0.5]), atol=1e-6)


def test_norms_of_powers_of_a_diagonal_matrix():
    found = jax.jit(lambda: matrices.norms_of_products(lambda t: D, 3, 4))()
    L = np.arange(1, 5)
    np.testing.assert_allclose(found["log_norm"], L * np.log(2), rtol=1e-13)
    np.testing.assert_allclose(found["first_moment"], (4.0**L + 1 + 0.25**L) / 3, rtol=1e-13)
    np.testing.assert_allclose(found["second_moment"], (16.0**L + 1 + 0.0625**L) / 3, rtol=1e-13)
