"""LU decompositions in place of QR: the same volumes, and a word where they are not exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import matrices, probes
from rnnjax.probes import growth, lyapunov
from rnnjax.scaled import Scaled

RNG = np.random.default_rng(3)


def rows_of(A, exponent=0):
    return Scaled(jnp.asarray(A), jnp.broadcast_to(jnp.asarray(exponent, jnp.int32), len(A)))


def below_the_diagonal(n):
    """A matrix that is its own L, whose inverse is as large as 2^(n-2)."""
    return np.eye(n) - np.tril(np.ones((n, n)), -1)


def worst_case(n):
    """Wilkinson's matrix: the last pivot is 2^(n-1), and rounding grows as much."""
    return np.column_stack([below_the_diagonal(n)[:, :-1], np.ones(n)])


@pytest.mark.parametrize(("n", "k", "spread"), [(5, 5, 0), (6, 2, 30)])
def test_columns_span_what_those_of_the_matrix_span(n, k, spread):
    A = RNG.standard_normal((n, k))
    exponent = np.round(-spread * RNG.random(n)).astype(int)
    L, logs, is_exact = jax.jit(matrices.graded_lu)(rows_of(A, exponent))
    plain = A * 2.0 ** exponent[:, None]
    U = np.linalg.lstsq(L, plain, rcond=None)[0]
    assert is_exact and np.abs(L).max() == 1
    gap = np.max(np.abs(L @ U - plain), 1) / np.max(np.abs(plain), 1)
    np.testing.assert_allclose(gap, 0, atol=1e-12)  # small rows keep their digits
    np.testing.assert_allclose(np.tril(U, -1), 0, atol=1e-13)
    np.testing.assert_allclose(logs, np.log(np.abs(np.diag(U))), rtol=1e-12, atol=1e-12)


def test_the_determinant_is_the_product_of_the_pivots():
    A = RNG.standard_normal((7, 7))
    logs = matrices.graded_lu(rows_of(A))[1]
    np.testing.assert_allclose(logs.sum(), np.linalg.slogdet(A)[1], rtol=1e-13)


@pytest.mark.parametrize(
    ("A", "exponent"),
    [(worst_case(20), 0), (below_the_diagonal(20), 0), (np.eye(3), [0, -1100, 0]),
     (np.full((2, 2), np.nan), 0)],
    ids=["growth of U", "inverse of L", "rows out of range", "not a number"],
)  # fmt: skip
def test_what_is_not_exact_is_told(A, exponent):
    assert not matrices.graded_lu(rows_of(A, exponent))[2]


def test_a_column_that_depends_on_others_has_length_zero():
    L, logs, _ = matrices.graded_lu(rows_of([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(logs, [0, -np.inf])
    assert np.linalg.matrix_rank(L) == 2


def test_where_it_is_not_exact_the_directions_are_orthonormal():
    directions, logs = jax.jit(growth.decomposed_by_lu)(rows_of(worst_case(20)))
    np.testing.assert_allclose(directions.value.T @ directions.value, np.eye(20), atol=1e-14)
    np.testing.assert_allclose(logs.sum(), 19 * np.log(2), rtol=1e-13)


def test_exponents_and_their_errors_are_those_by_qr():
    """At the end of every block an orthonormal basis is found, so that blocks agree as well."""
    n, length, n_discarded, size = 20, 50, 7, 4  # the last 40 steps are ten blocks
    cell = rnnjax.Vanilla(1, n, 1, gain=1.5)
    params = cell.init(jax.random.key(0))
    x = RNG.standard_normal((60, 1))
    batch = rnnjax.Batch(x, x, np.arange(60.0) < length)

    @jax.jit
    def spectrum(params):
        return probes.lyapunov_spectrum(cell, None, params, batch, n_discarded=n_discarded)

    W, U = np.asarray(params.W), np.asarray(params.U)
    h, Q, logs = np.zeros(n), np.asarray(lyapunov._generic(jnp.zeros(n), n)), []
    for x_t in x[:length]:
        h = np.tanh(W @ h + U @ x_t)
        Q, R = np.linalg.qr((1 - h**2)[:, None] * (W @ Q))
        logs.append(np.log(np.abs(np.diag(R))))
    mean = np.mean(logs[n_discarded:], axis=0)
    blocks = np.mean(np.reshape(logs[-10 * size :], (10, size, n)), axis=1)
    order, found = np.argsort(-mean), spectrum(params)
    np.testing.assert_allclose(found["exponents"], mean[order], rtol=1e-10)
    error = np.std(blocks, axis=0, ddof=1) / 10**0.5
    np.testing.assert_allclose(found["exponents_error"], error[order], rtol=1e-8)
