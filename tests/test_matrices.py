import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from rnnjax import matrices, scaled
from rnnjax.matrices import qr

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("n", [1, 2, 64])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_spectral_radius_and_norm_in_float32(n, size, float32):
    W = RNG.standard_normal((n, n))
    got = jax.jit(matrices.log_spectral_radius)(np.float32(W * size))
    expected = np.log(np.max(np.abs(np.linalg.eigvals(W)))) + np.log(size)
    np.testing.assert_allclose(got, expected, atol=1e-5 * max(1, abs(expected)))
    got = jax.jit(matrices.log_spectral_norm)(np.float32(W * size))
    expected = np.log(np.linalg.norm(W, 2)) + np.log(size)
    np.testing.assert_allclose(got, expected, atol=3e-6 * max(1, abs(expected)))


def test_a_nilpotent_matrix_has_radius_zero():
    W = np.array([[0.0, 1.0], [0.0, 0.0]])
    assert jax.jit(matrices.log_spectral_radius)(W) == -np.inf


def test_a_rotation_has_radius_one():
    c, s = np.cos(1.0), np.sin(1.0)
    W = np.array([[c, s], [-s, c]])
    np.testing.assert_allclose(jax.jit(matrices.log_spectral_radius)(W), 0, atol=1e-12)


@jax.jit
def log_singular_values(A, exponent):
    return matrices.log_singular_values(scaled.normalise(A, exponent))


@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_singular_values_of_an_ordinary_matrix(n, kind):
    A = RNG.standard_normal((n, n)) + (1j * RNG.standard_normal((n, n)) if kind == "complex" else 0)
    got = log_singular_values(A, np.zeros(n, np.int32))
    np.testing.assert_allclose(got, np.log(np.linalg.svd(A)[1]), rtol=1e-12, atol=1e-12)


def test_singular_values_of_a_graded_matrix_known_by_construction():
    """D R with R orthogonal has the singular values D, however far apart they are."""
    n = 6
    R = np.linalg.qr(RNG.standard_normal((n, n)))[0]
    exponents = np.array([4000, 300, 299, 0, -9, -7000])
    got = log_singular_values(R, np.int32(RNG.permutation(exponents)))
    np.testing.assert_allclose(got, exponents * np.log(2), rtol=1e-13, atol=1e-12)


def test_singular_values_of_a_singular_matrix():
    got = log_singular_values(np.array([[1.0, 2], [2.0, 4]]), np.zeros(2, np.int32))
    np.testing.assert_allclose(got[0], np.log(5), rtol=1e-14)
    assert got[1] < -30


@pytest.mark.parametrize("n", [1, 2, 7, 32])
@pytest.mark.parametrize("dtype", [float, complex])
def test_a_system_of_equations_is_solved_as_numpy_solves_it(n, dtype):
    generator = np.random.default_rng(n)
    A, b = generator.standard_normal((2, n, n)), generator.standard_normal((2, n))
    A, b = (A[0] + 1j * A[1], b[0] + 1j * b[1]) if dtype is complex else (A[0], b[0])
    # A pivot of 0 in the first column: without an exchange of rows nothing would be left.
    A[0, 0] = 0 if n > 1 else 2
    found = jax.jit(matrices.solve)(A, b)
    np.testing.assert_allclose(found, np.linalg.solve(A, b), rtol=1e-12, atol=1e-12)


def test_equations_without_a_solution_have_none():
    assert not np.all(np.isfinite(jax.jit(matrices.solve)(np.ones((2, 2)), np.ones(2))))


@pytest.mark.parametrize(("n", "k", "spread"), [(5, 5, 0), (6, 2, 30), (7, 7, 400)])
def test_qr_of_rows_of_any_size(n, k, spread):
    """Against mpmath with 300 digits: every |R_jj| to rounding, though rows differ by 2^400."""
    generator = np.random.default_rng(n)
    B = generator.standard_normal((n, k))
    exponent = np.round(-spread * generator.random(n)).astype(np.int32)
    Q, logs = map(np.asarray, jax.jit(matrices.graded_qr)(scaled.Scaled(B, exponent)))
    with mpmath.workdps(300):
        A = mpmath.matrix(B.tolist())
        for i in range(n):
            for j in range(k):
                A[i, j] *= mpmath.mpf(2) ** int(exponent[i])
        R = mpmath.qr(A)[1]
        expected = [float(mpmath.log(abs(R[j, j]))) for j in range(k)]
    np.testing.assert_allclose(logs, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(Q.T @ Q, np.eye(k), atol=1e-14)
    plain = B * 2.0 ** exponent[:, None]
    upper = Q.T @ plain
    np.testing.assert_allclose(np.tril(upper, -1), 0, atol=1e-14)
    assert np.all(np.diag(upper) > -1e-14)


@pytest.mark.parametrize("spread", [0, 30])
def test_the_gradient_of_a_graded_decomposition_is_that_through_its_eliminations(spread):
    generator = np.random.default_rng(4)
    B = jnp.asarray(generator.standard_normal((6, 4)))
    exponent = jnp.asarray(np.round(spread * generator.standard_normal(6)), jnp.int32)
    weights = jnp.asarray(generator.standard_normal((6, 4)))

    def by(decomposed):
        def number(B):
            Q, logs = decomposed(scaled.Scaled(B, exponent))[:2]
            return jnp.sum(weights * Q**2) + logs @ weights[0]

        return jax.grad(number)

    found = jax.jit(lambda B: (by(matrices.graded_qr)(B), by(qr._decomposed)(B)))(B)
    largest = np.abs(found[1]).max()
    np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12 * largest)


def test_a_column_that_depends_on_others_has_length_zero():
    rows = scaled.Scaled(np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]), np.zeros(3, np.int32))
    Q, logs = map(np.asarray, jax.jit(matrices.graded_qr)(rows))
    np.testing.assert_allclose(logs, [0, -np.inf])
    np.testing.assert_allclose(Q.T @ Q, np.eye(2), atol=1e-15)


@jax.jit
def departure_and_abscissa(W, eigenvalues):
    return matrices.departure_from_normality(W, eigenvalues), matrices.numerical_abscissa(W)


def test_of_a_jordan_block_all_is_known():
    """[[a, b], [0, a]]: departure b, abscissa a + b/2, at any magnitude of both."""
    for a, b in ((0.5, 3.0), (-1.0, 0.25), (-2e-30, 1e-30), (1e30, 3e30)):
        W = np.array([[a, b], [0.0, a]])
        departure, abscissa = departure_and_abscissa(W, np.array([a, a]))
        np.testing.assert_allclose(departure, b, rtol=1e-12)
        np.testing.assert_allclose(abscissa, a + b / 2, atol=1e-11 * max(abs(a), b))


@pytest.mark.parametrize("dtype", [float, complex])
def test_abscissa_and_departure_of_an_ordinary_matrix(dtype):
    generator = np.random.default_rng(3)
    W = generator.standard_normal((2, 9, 9))
    W = W[0] + 1j * W[1] if dtype is complex else W[0] - 4 * np.eye(9)
    expected = np.max(np.linalg.eigvalsh((W + W.conj().T) / 2))
    departure, abscissa = departure_and_abscissa(W, np.linalg.eigvals(W))
    np.testing.assert_allclose(abscissa, expected, rtol=1e-10)
    # What is above the diagonal of the Schur form, U^H W U = diag + N: |N|_F.
    _, T = _schur(W)
    np.testing.assert_allclose(departure, np.linalg.norm(np.triu(T, 1)), rtol=1e-9)


def _schur(W):
    """The complex Schur form, by a QR decomposition of the eigenvectors."""
    Q = np.linalg.qr(np.linalg.eig(W)[1])[0]
    return Q, Q.conj().T @ W @ Q


def test_a_rotation_is_normal():
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    assert departure_and_abscissa(Q, np.linalg.eigvals(Q))[0] < 1e-6
    departure, abscissa = departure_and_abscissa(np.zeros((2, 2)), np.zeros(2))
    assert departure == abscissa == 0


def test_participation_counts_directions_at_any_scale():
    for logs, expected in (
        (np.zeros(3), 3.0),
        (np.full(3, 3000.0), 3.0),
        (np.array([0.0, -np.inf, -np.inf]), 1.0),
        (np.array([-900.0, -900.0, -2000.0]), 2.0),
        (np.log([2.0, 1.0, 1.0]), 36 / 18),
    ):
        np.testing.assert_allclose(jax.jit(matrices.participation_ratio)(logs), expected)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0, 1e-200], [1e200, 0]], 1),
        ([[1, 1e300], [0, 2]], 2),
        ([[1, 0, 0], [0, 0, 1e300], [0, 0, 0]], 1),
        ([[0, 1e300, 1], [0, 0, 1e300], [0, 0, 0]], 0),
        ([[0, 1e90, 0], [0, 0, 1e90], [1e-300, 0, 0]], 1e-40),
        ([[2, 1], [0, 1]], 2),
    ],
)
def test_the_radius_of_a_matrix_whose_powers_leave_the_dtype(matrix, expected):
    """Alone, and beside a matrix that needs no balance."""
    with np.errstate(divide="ignore"):
        expected = np.log(expected)
    radius = jax.jit(jax.vmap(matrices.log_spectral_radius))
    found = radius(jnp.stack([jnp.asarray(matrix, float), 3 * jnp.eye(len(matrix))]))
    np.testing.assert_allclose(found, [expected, np.log(3)], rtol=1e-12, atol=1e-12)
    slope = jax.grad(lambda a: matrices.log_spectral_radius(a * jnp.asarray(matrix, float)))(1.0)
    if np.isfinite(expected):
        np.testing.assert_allclose(slope, 1, rtol=1e-12)


def by_differences(f, t, order, step=1e-4):
    above, here, below = f(t + step), f(t), f(t - step)
    return (above - below) / (2 * step) if order == 1 else (above - 2 * here + below) / step**2


EIGENVALUES = {
    "radius": (matrices.log_spectral_radius, lambda A: np.log(abs(np.linalg.eigvals(A)).max())),
    "norm": (matrices.log_spectral_norm, lambda A: np.log(np.linalg.norm(A, 2))),
    "abscissa": (
        matrices.numerical_abscissa,
        lambda A: np.linalg.eigvalsh((A + A.conj().T) / 2).max(),
    ),
}


def along(seed):
    """A curve of matrices; the largest eigenvalues of seed 0 are a complex pair at t = 0.3."""
    A, B = np.random.default_rng(seed).standard_normal((2, 4, 4))
    return lambda t: A + t * B + 0.3 * t * t * A @ B


@pytest.mark.parametrize("name", EIGENVALUES)
@pytest.mark.parametrize("seed", [0, 1])
def test_radius_norm_and_abscissa_have_the_derivatives_of_the_eigenvalues(name, seed):
    (f, plain), A = EIGENVALUES[name], along(seed)
    largest = max(np.linalg.eigvals(A(0.3)), key=abs)
    assert (largest.imag != 0) == (seed == 0)
    own = lambda t: f(jnp.asarray(A(t)))  # noqa: E731
    expected = [by_differences(lambda t: plain(A(t)), 0.3, order) for order in (1, 2)]
    np.testing.assert_allclose(jax.jit(jax.grad(own))(0.3), expected[0], rtol=1e-6, atol=1e-7)
    twice = [
        lambda: jax.jvp(jax.grad(own), (0.3,), (1.0,))[1],
        lambda: jax.grad(jax.grad(own))(0.3),
    ]
    for found in twice:
        if name == "radius":
            with pytest.raises(NotImplementedError):
                found()
        else:
            np.testing.assert_allclose(found(), expected[1], rtol=1e-5, atol=1e-5)


def test_the_radius_of_a_complex_pair_moves_as_its_determinant():
    W = jnp.array([[0.0, -4.0], [1.0, 0.5]])
    expected = 0.5 * np.linalg.inv(W).T
    np.testing.assert_allclose(jax.grad(matrices.log_spectral_radius)(W), expected, atol=1e-14)


@pytest.mark.parametrize(
    "function",
    [
        matrices.log_spectral_radius,
        matrices.numerical_abscissa,
        lambda W: matrices.departure_from_normality(W, jnp.ones(2)),
    ],
)
def test_what_is_no_square_matrix_is_refused_and_lists_are_matrices(function):
    assert function([[1, 2], [3, 1]]) == function(jnp.array([[1.0, 2.0], [3.0, 1.0]]))
    for values in (jnp.ones((2, 3)), jnp.ones(2), jnp.ones((2, 2, 2))):
        with pytest.raises(ValueError, match=r"^W: expected a matrix \(n, n\); vmap over several"):
            function(values)


def test_equations_of_integers():
    found = matrices.solve(jnp.array([[0, 1], [2, 0]]), jnp.array([3, 4]))
    np.testing.assert_array_equal(found, [2.0, 3.0])
    with pytest.raises(ValueError, match=r"^eigenvalues: expected 2 numbers"):
        matrices.departure_from_normality(jnp.eye(2), jnp.ones(1))


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_logs_of_singular_values_have_the_derivative_of_the_determinant(n, kind):
    """Of the sum over rows that span hundreds of orders of magnitude, and of equal ones."""
    generator = np.random.default_rng(n)
    B = generator.standard_normal((2, n, n))
    B = B[0] + 1j * B[1] if kind == "complex" else B[0]
    equal = np.linalg.qr(B)[0] / 2

    def total(value, exponent):
        return jnp.sum(matrices.log_singular_values(scaled.Scaled(value, exponent)))

    exponents = jnp.asarray(generator.integers(-300, 300, n), jnp.int32)
    for value, exponent in ((B, exponents), (equal, jnp.zeros(n, jnp.int32))):
        found = jax.jit(jax.grad(total))(jnp.asarray(value), exponent)
        np.testing.assert_allclose(found, np.linalg.inv(value).T, rtol=1e-9, atol=1e-11)


def test_each_singular_value_has_its_derivative():
    """u_i v_i^T / s_i; that of a value of 0 is not finite, and touches no other."""
    B = np.random.default_rng(0).standard_normal((4, 4))
    U, s, V = np.linalg.svd(B)

    @jax.jit
    @jax.jacobian
    def logs(B):
        return matrices.log_singular_values(scaled.Scaled(B, jnp.zeros(4, jnp.int32)))

    expected = np.einsum("ki,i,il->ikl", U, 1 / s, V)
    np.testing.assert_allclose(logs(jnp.asarray(B)), expected, rtol=1e-9, atol=1e-11)
    found = logs(jnp.diag(jnp.array([1.0, 2.0, 0.0, 3.0])))
    np.testing.assert_array_equal(found[:3], [np.diag([0, 0, 0, 1 / 3]), np.diag([0, 1 / 2, 0, 0]),
                                              np.diag([1.0, 0, 0, 0])])  # fmt: skip
    assert not np.isfinite(found[3]).all()
