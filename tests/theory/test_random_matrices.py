import math

import mpmath
import numpy as np
import pytest

from rnnjax.theory import random_matrices


def gaussian(rng, n, *batch):
    return rng.normal(size=(*batch, n, n)) / math.sqrt(n)


def test_digamma_against_many_digits():
    x = np.array([1e-3, 0.5, 1.0, 1.5, 2.0, 7.25, 50.0, 500.5, 1e8])
    expected = [float(mpmath.digamma(value)) for value in x]
    np.testing.assert_allclose(random_matrices.digamma(x), expected, rtol=1e-14, atol=4e-15)
    half = -np.euler_gamma - 2 * math.log(2)
    np.testing.assert_allclose(random_matrices.digamma([0.5, 1]), [half, -np.euler_gamma])


@pytest.mark.parametrize(
    ("n", "largest", "smallest", "mean"),
    [
        (1, -0.635181, -0.635181, -0.635181),
        (2, -0.288608, -0.981755, (-0.288608 - 0.981755) / 2),
        (10, -0.0516601, -1.786474, -0.564781),
        (100, -0.0050167, -2.937767, -0.512193),
    ],
)
def test_exponents_of_products_of_gaussian_matrices(n, largest, smallest, mean):
    exponents = random_matrices.product_exponents(n, 1.0)
    assert exponents.shape == (n,) and np.all(np.diff(exponents) < 0)
    found = exponents[0], exponents[-1], exponents.mean()
    np.testing.assert_allclose(found, (largest, smallest, mean), rtol=0, atol=6e-7)
    np.testing.assert_allclose(
        random_matrices.product_exponents(n, 1.7), exponents + math.log(1.7), rtol=1e-13
    )


def test_the_mean_exponent_of_wide_products_tends_to_minus_one_half():
    mean = random_matrices.product_exponents(1000, 1.0).mean()
    np.testing.assert_allclose(mean, -0.501795, rtol=0, atol=6e-7)
    assert random_matrices.product_exponents(100_000, 1.0).mean() == pytest.approx(-0.5, abs=4e-5)


def test_a_product_with_fresh_matrices_has_these_exponents():
    """The logarithms of the diagonal of R are independent over steps; 4 standard errors."""
    rng, n, n_steps = np.random.default_rng(0), 6, 4000
    Q, grown = np.eye(n), np.empty((n_steps, n))
    for t, W in enumerate(1.3 * gaussian(rng, n, n_steps)):
        Q, R = np.linalg.qr(W @ Q)
        grown[t] = np.log(np.abs(np.diag(R)))
    error = grown.std(axis=0, ddof=1) / math.sqrt(n_steps)
    away = (grown.mean(axis=0) - random_matrices.product_exponents(n, 1.3)) / error
    assert np.abs(away).max() < 4 and error.max() < 0.02


def test_wide_products_follow_the_triangle_law():
    exponents = random_matrices.product_exponents(20_000, 0.8)[::-1]
    shares = (np.arange(20_000) + 0.5) / 20_000
    np.testing.assert_allclose(random_matrices.triangle_law(exponents, 0.8), shares, atol=1e-4)
    assert random_matrices.triangle_law([math.log(0.4), 1.0], 0.8).tolist() == [0.25, 1.0]


def test_eigenvalues_follow_the_circular_law_and_the_norm_is_twice_the_gain():
    """One matrix of 300: shares to 0.02, the edge to n^(-1/2), the norm to n^(-2/3)."""
    n, gain = 300, 0.8
    W = gain * gaussian(np.random.default_rng(1), n)
    moduli = np.sort(np.abs(np.linalg.eigvals(W)))
    shares = (np.arange(n) + 0.5) / n
    np.testing.assert_allclose(random_matrices.circular_law(moduli, gain), shares, atol=0.02)
    np.testing.assert_allclose(
        random_matrices.triangle_law(np.log(moduli), gain), shares, atol=0.02
    )
    assert moduli[-1] == pytest.approx(gain, rel=n**-0.5)
    norm = random_matrices.largest_singular_value(1) * gain
    assert np.linalg.norm(W, 2) == pytest.approx(norm, rel=n ** (-2 / 3))


def test_the_squared_norm_of_a_power_is_the_power_of_the_squared_gain():
    """||W^k||_F^2 / n -> g^{2k} for k << n: 40 matrices, 4 standard errors."""
    n, gain, W = 100, 1.2, 1.2 * gaussian(np.random.default_rng(2), 100, 40)
    power = np.eye(n)
    for k in range(1, 6):
        power = power @ W
        found = np.sum(power**2, axis=(1, 2)) / n / gain ** (2 * k)
        error = found.std(ddof=1) / math.sqrt(40)
        assert abs(found.mean() - 1) < 4 * error and error < 0.05


def test_moments_of_products():
    assert [random_matrices.fuss_catalan(L, 1) for L in range(8)] == [1] * 8
    assert [random_matrices.fuss_catalan(L, 2) for L in range(8)] == [L + 1 for L in range(8)]
    catalan = [math.comb(2 * m, m) // (m + 1) for m in range(9)]
    assert [random_matrices.fuss_catalan(1, m) for m in range(9)] == catalan
    # The moments of products of L + 1: 1, 3, 12, 55 for L = 2 are those of ternary trees.
    assert [random_matrices.fuss_catalan(2, m) for m in range(1, 5)] == [1, 3, 12, 55]


@pytest.mark.parametrize(
    ("n_factors", "norm"), [(0, 1), (1, 2), (2, 2.598), (5, 3.864), (10, 5.341), (20, 7.465)]
)
def test_largest_singular_value_at_spectral_radius_one(n_factors, norm):
    found = random_matrices.largest_singular_value(n_factors)
    np.testing.assert_allclose(found, norm, rtol=0, atol=6e-4)
    # It is the limit of the ratio of high moments; these are sums of finitely many terms.
    ratio = random_matrices.fuss_catalan(n_factors, 3001) / random_matrices.fuss_catalan(
        n_factors, 3000
    )
    np.testing.assert_allclose(ratio, norm**2, rtol=2e-3)


@pytest.mark.parametrize("same", [False, True])
def test_transient_growth_at_spectral_radius_one(same):
    """Products of two and of five independent matrices and powers of one, n = 400, to 3 percent."""
    rng = np.random.default_rng(3)
    W, P = gaussian(rng, 400), np.eye(400)
    for n_factors in range(1, 6):
        P = P @ (W if same or n_factors == 1 else gaussian(rng, 400))
        if n_factors not in (2, 5):
            continue
        squares = np.linalg.eigvalsh(P @ P.T)
        expected = random_matrices.fuss_catalan(n_factors, 2)
        np.testing.assert_allclose(np.mean(squares**2), expected, rtol=0.03)
        norm = random_matrices.largest_singular_value(n_factors)
        np.testing.assert_allclose(math.sqrt(squares[-1]), norm, rtol=0.03)


@pytest.mark.parametrize("deviation", [0.9, 1.4, 2.0])
def test_a_random_chain_of_scalars(deviation):
    """40,000 chains; 4 standard errors. The mean square needs few steps: its tail is heavy."""
    rng, n_chains = np.random.default_rng(4), 40_000
    w = deviation * rng.normal(size=(20, n_chains))
    log_norm = np.sum(np.log(np.abs(w)), axis=0)
    expected = random_matrices.scalar_chain(deviation, 20)
    error = math.sqrt(expected.variance_log / n_chains)
    assert abs(log_norm.mean() - expected.mean_log) < 4 * error
    squares = (log_norm - log_norm.mean()) ** 2
    assert abs(squares.mean() - expected.variance_log) < 4 * squares.std() / math.sqrt(n_chains)
    square = w[0] ** 2 * w[1] ** 2
    expected_square = math.exp(random_matrices.scalar_chain(deviation, 2).log_mean_square)
    assert abs(square.mean() - expected_square) < 4 * square.std() / math.sqrt(n_chains)


def test_typical_chains_decay_while_their_mean_square_explodes():
    low, high = random_matrices.deceptive_deviations()
    assert (low, round(high, 6)) == (1.0, 1.887365)
    inside = random_matrices.scalar_chain(1.5, 100)
    assert inside.mean_log < 0 < inside.log_mean_square
    assert random_matrices.scalar_chain(0.99, 100).log_mean_square < 0
    assert random_matrices.scalar_chain(high, 1).mean_log == pytest.approx(0, abs=1e-15)
    assert random_matrices.scalar_chain(1, 1).mean_log == pytest.approx(-0.6351814, abs=6e-8)
    assert random_matrices.scalar_chain(1, 1).variance_log == pytest.approx(1.2337006, abs=6e-8)
    one_by_one = random_matrices.product_exponents(1, 1.5)[0]
    assert random_matrices.scalar_chain(1.5, 7).mean_log == pytest.approx(7 * one_by_one)
