"""Areas under the curve and thresholds, against counting and the normal law."""

import math

import numpy as np
import pytest
import xarray as xr

from rnnjax.reductions import area_under_curve, best_threshold

GENERATOR = np.random.default_rng(0)


def test_a_score_that_separates_has_area_one_and_one_that_says_nothing_a_half():
    assert area_under_curve([1, 2, 3, 4], [True, True, False, False]) == 1
    assert area_under_curve([4, 3, 2, 1], [True, True, False, False]) == 0
    assert area_under_curve([5, 5, 5, 5], [True, False, True, False]) == 0.5


def test_the_area_counts_pairs_with_ties_as_halves():
    score, yes = GENERATOR.integers(0, 6, 60), GENERATOR.random(60) < 0.4
    pairs = [(s < f) + (s == f) / 2 for s in score[yes] for f in score[~yes]]
    assert area_under_curve(score, yes) == pytest.approx(np.mean(pairs), abs=1e-15)


def test_two_normal_laws_have_the_area_of_their_distance():
    n, apart = 40_000, 1.0
    score = np.concatenate([GENERATOR.standard_normal(n), apart + GENERATOR.standard_normal(n)])
    expected = 0.5 * (1 + math.erf(apart / 2))  # Phi(apart / sqrt 2)
    assert area_under_curve(score, np.arange(2 * n) < n) == pytest.approx(expected, abs=0.006)


def test_infinite_scores_have_a_rank():
    assert area_under_curve([1, math.inf, math.inf], [True, False, True]) == 0.75


def test_the_threshold_lies_between_both_in_logarithms():
    found = best_threshold([1.0, 4.0, 9.0, 16.0], [True, True, False, False])
    assert found.at == pytest.approx(6.0) and found.balanced == 1.0


def test_the_threshold_of_successes_alone_above_it_is_no_better_than_chance():
    assert best_threshold([3.0, 4.0, 1.0, 2.0], [True, True, False, False]).balanced == 0.5


@pytest.mark.parametrize("yes", [[True, True], [False, False]])
def test_without_both_outcomes_nothing_is_known(yes):
    assert math.isnan(area_under_curve([1.0, 2.0], yes))
    assert math.isnan(best_threshold([1.0, 2.0], yes).at)


def test_a_score_that_is_no_number_says_so_and_sizes_must_agree():
    assert math.isnan(area_under_curve([math.nan, 1.0], [True, False]))
    with pytest.raises(ValueError, match=r"^succeeded: expected the shape \(2,\), got \(1,\)"):
        area_under_curve([1.0, 2.0], [True])
    with pytest.raises(ValueError, match=r"^succeeded: expected the shape \(2, 3\)"):
        best_threshold(np.ones((2, 3)), np.ones((3, 2), bool))
    with pytest.raises(ValueError, match=r"^succeeded: expected True or False"):
        area_under_curve([1.0, 2.0], [math.nan, 0.0])


@pytest.mark.parametrize("pair", [(1e-200, 3e-200), (1e200, 3e200), (1.0, math.nextafter(1, 2))])
def test_the_threshold_lies_above_the_last_success_at_any_size(pair):
    found = best_threshold(pair, [True, False])
    assert pair[0] < found.at <= pair[1] and found.balanced == 1.0


@pytest.mark.parametrize("score", [[1j, 2.0], np.array(["2020", "2021"], "M8[ns]"), ["a", "b"]])
def test_a_score_is_a_real_number(score):
    for measure in (area_under_curve, best_threshold):
        with pytest.raises(ValueError, match=r"^score: expected real numbers, got "):
            measure(score, [True, False])
    assert math.isnan(area_under_curve([None, 1.0], [True, False]))


def test_outcomes_are_matched_to_scores_by_dims_and_places():
    places = {"delay": [1, 2], "seed": [0, 1]}
    score = xr.DataArray([[1.0, 2.0], [4.0, 3.0]], coords=places, dims=["delay", "seed"])
    succeeded = xr.DataArray([[True, True], [False, False]], coords=places, dims=score.dims)
    for given in (succeeded.T, succeeded.isel(delay=[1, 0]), succeeded.isel(seed=[1, 0]).T):
        assert area_under_curve(score, given) == 1.0
        assert best_threshold(score, given).balanced == 1.0
    for given in (succeeded.assign_coords(delay=[1, 3]), succeeded.rename(seed="key")):
        with pytest.raises(ValueError, match=r"^succeeded: expected the (places|dims)"):
            area_under_curve(score, given)
