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


def test_eigenvalues_follow_the_circular_law():
    """100 matrices of 50, to 4 standard errors beside the real eigenvalues.

    About sqrt(2 n / pi) of them are real and lie evenly on a line, not on a disc.
    """
    n, gain, radius = 50, 0.8, 0.8 * np.array([0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95])
    moduli = np.abs(np.linalg.eigvals(gain * gaussian(np.random.default_rng(1), n, 100)))
    shares = np.mean(moduli[:, None, :] <= radius[:, None], axis=-1)
    error = shares.std(axis=0, ddof=1) / 10
    real = math.sqrt(2 / (math.pi * n)) * (radius / gain) * (1 - radius / gain)
    expected = random_matrices.circular_law(radius, gain)
    assert np.all(np.abs(shares.mean(axis=0) - expected) < 4 * error + real)
    np.testing.assert_array_equal(random_matrices.triangle_law(np.log(radius), gain), expected)
    assert np.max(4 * error + real) < 0.05
    assert moduli.max(axis=1).mean() == pytest.approx(gain, rel=n**-0.5)


def test_the_squared_norm_of_a_power_is_the_power_of_the_squared_gain():
    """||W^k||_F^2 / n -> g^{2k} for k << n: 200 matrices of 50, 4 standard errors."""
    n, gain = 50, 1.2
    W = gain * gaussian(np.random.default_rng(2), n, 200)
    power = np.eye(n)
    for k in range(1, 5):
        power = power @ W
        found = np.sum(power**2, axis=(1, 2)) / n / gain ** (2 * k)
        error = found.std(ddof=1) / math.sqrt(200)
        assert abs(found.mean() - 1) < 4 * error and error < 0.02


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


@pytest.mark.parametrize("n_factors", [1, 2, 5])
@pytest.mark.parametrize("same", [False, True])
def test_transient_growth_at_spectral_radius_one(same, n_factors):
    """150 products of matrices of 64, independent or all the same, to 4 standard errors."""
    rng, n, n_draws = np.random.default_rng(3), 64, 150
    W = gaussian(rng, n, n_draws)
    P = W
    for _ in range(n_factors - 1):
        P = P @ (W if same else gaussian(rng, n, n_draws))
    squares = np.linalg.svd(P, compute_uv=False) ** 2
    moments = np.mean(squares**2, axis=1)
    error = moments.std(ddof=1) / math.sqrt(n_draws)
    expected = random_matrices.second_moment(n_factors, n)
    # A power of one matrix has the same limit, but not the same moment at n = 64.
    assert abs(moments.mean() - expected) < 4 * error + same * 0.05 * expected
    norms = np.sqrt(squares[:, 0]) / random_matrices.largest_singular_value(n_factors) - 1
    mean, deviation = random_matrices.largest_singular_value_spread(n_factors, n)
    # What is left out of the mean is a quarter of it.
    assert abs(norms.mean() - mean) < 4 * deviation / math.sqrt(n_draws) + 0.25 * abs(mean)
    assert norms.mean() < -4 * deviation / math.sqrt(n_draws)
    np.testing.assert_allclose(norms.std(), deviation, rtol=0.3)


def test_the_moment_of_finite_products_tends_to_that_of_wide_ones():
    assert random_matrices.second_moment(1, 4) == pytest.approx(2 + 1 / 4)
    assert random_matrices.second_moment(1, 1) == pytest.approx(3)
    assert random_matrices.second_moment(3, 1) == pytest.approx(27)
    for n_factors in range(6):
        found = random_matrices.second_moment(n_factors, 10**6)
        assert found == pytest.approx(random_matrices.fuss_catalan(n_factors, 2), rel=1e-5)


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


def test_the_mean_norm_of_finite_matrices_is_below_that_of_wide_ones():
    shift, _ = random_matrices.largest_singular_value_spread(5, 400)
    finite = random_matrices.mean_largest_singular_value(5, 400)
    ratio = finite / random_matrices.largest_singular_value(5)
    assert ratio == pytest.approx(1 + shift) and 0.97 < ratio < 0.98
