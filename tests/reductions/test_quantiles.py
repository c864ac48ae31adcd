"""Quantiles over seeds by dim: infinities have a rank, NaN has none."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.reductions import band, in_standard_errors, median, quantile, seed_band

inf, nan = np.inf, np.nan


def test_finite_band_is_the_quantiles():
    samples = np.random.default_rng(1).normal(size=(12, 7))
    assert_allclose(np.stack(seed_band(samples)), np.quantile(samples, [0.1, 0.5, 0.9], axis=0))


@pytest.mark.parametrize("n_seed", [1, 2, 4])
def test_few_seeds_have_the_band_of_all_seeds(n_seed):
    samples = np.random.default_rng(2).normal(size=(n_seed, 3))
    low, median, high = seed_band(samples)
    assert_array_equal(low, samples.min(axis=0))
    assert_array_equal(high, samples.max(axis=0))
    assert_allclose(median, np.median(samples, axis=0))


def test_five_seeds_have_quantiles():
    assert seed_band([[0], [1], [2], [3], [4]]).low == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("seeds", "low", "median", "high"),
    [
        ([-inf, -2, -1], -inf, -2, -1),  # the vanished seed has a rank: not -1.5
        ([-inf, -inf, -1], -inf, -inf, -1),
        ([-inf, -1], -inf, -inf, -1),
        ([1, 2, inf], 1, 2, inf),
        ([1, inf, inf], 1, inf, inf),
        ([-inf, inf], -inf, nan, inf),
        ([nan, 1, 2], nan, nan, nan),
        ([-inf] * 2 + [0] * 9, -inf, 0, 0),  # the quantile falls on a rank: no 0 * inf
        ([-inf] * 5, -inf, -inf, -inf),
    ],
)
def test_seeds_that_are_not_finite_are_ranked_and_never_dropped(seeds, low, median, high):
    band = seed_band(np.array(seeds)[:, None])
    assert_array_equal(np.concatenate(band), [low, median, high])


def test_masked_seed_counts_as_nan():
    assert np.isnan(seed_band(np.ma.array([[1.0], [2.0]], mask=[[True], [False]])).median).all()


@pytest.mark.parametrize("samples", [np.zeros(3), np.zeros((0, 3)), np.zeros((1, 2, 3))])
def test_band_refuses_what_is_not_seed_by_x(samples):
    with pytest.raises(ValueError, match="n_seed"):
        seed_band(samples)


def test_quantiles_reduce_dims_by_name_in_any_order():
    samples = np.random.default_rng(3).normal(size=(4, 6, 5))
    values = xr.DataArray(samples, coords={"lag": range(6)}, dims=("gain", "lag", "seed"))
    assert_allclose(quantile(values, 0.3), np.quantile(samples, 0.3, axis=2))
    assert median(values).dims == ("gain", "lag")
    assert_allclose(median(values, ["gain", "seed"]), np.median(samples, axis=(0, 2)))
    assert median(values, ["gain", "seed"])["lag"].values.tolist() == [*range(6)]
    for edge, of_rows in zip(band(values), seed_band(samples[1].T), strict=True):
        assert_allclose(edge.isel(gain=1), of_rows)


def test_the_median_ranks_infinities():
    values = xr.DataArray([[-inf, -2, -1], [1, inf, inf], [0, nan, 1]], dims=("gain", "seed"))
    assert_array_equal(median(values), [-2, inf, nan])


def test_a_few_seeds_have_the_band_of_all_seeds_and_five_have_quantiles():
    values = xr.DataArray([0.0, 1.0, 2.0, 3.0, 4.0], dims="seed")
    assert float(band(values)[0]) == pytest.approx(0.4)
    assert [float(edge) for edge in band(values[:4])] == [0.0, 1.5, 3.0]


def test_standard_errors_of_known_seeds():
    values = xr.DataArray([1.0, 3.0], dims="seed")  # mean 2, deviation sqrt 2, error 1
    assert float(in_standard_errors(values)) == pytest.approx(2.0)


def test_a_seed_that_is_nan_leaves_no_standard_error():
    """Leaving it out of the mean, while it counts among the seeds, would give 3, for 2.6."""
    values = xr.DataArray([[1.0, nan, 3.0, 5.0], [1, inf, 3, 5], [1, 3, 1, 3]], dims=("x", "seed"))
    assert_allclose(in_standard_errors(values), [nan, nan, 2 * 3**0.5])
    assert np.isnan(in_standard_errors(values.isel(x=2, seed=[0])))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda values: median(values.isel(seed=[])), "values: expected at least 1 along seed"),
        (lambda values: band(values.isel(seed=[])), "values: expected at least 1 along seed"),
        (lambda values: in_standard_errors(values, "draw"), r"over: .* \(seed\), got 'draw'"),
        (lambda values: band(values, "draw"), r"over: expected a dim .* \(seed\), got 'draw'"),
        (lambda values: median(1j * values), "values: expected real numbers, got complex128"),
        (lambda values: seed_band(1j * values.values[None]), "samples: .* got complex128"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        wrong(xr.DataArray([1.0, 3.0], dims="seed"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.07, 0.29, 0.55, 0.57])
def test_a_share_that_is_a_rank_has_no_infinite_neighbour(share):
    rank = round(100 * share)
    for infinite in (rank - 1, rank + 1):
        seeds = np.arange(101.0)
        beyond = slice(None, rank) if infinite < rank else slice(rank + 1, None)
        seeds[beyond] = -np.inf if infinite < rank else np.inf
        assert float(quantile(xr.DataArray(seeds, dims="seed"), share)) == rank
