"""Reductions over examples: closed forms, exact limits, and what NaN and infinity do."""

import math

import numpy as np
import pytest

from rnnjax.reductions import seed_band
from rnnjax.reports.bands import (
    Band,
    band,
    fallen_from,
    first_fall,
    lasts_from,
    sustained_growth,
    trend,
)
from rnnjax.reports.chart import padded_range, thinned, ticks
from rnnjax.reports.occurrences import non_finite, occurrence

NAN, INF = math.nan, math.inf


def curve(values):
    values = np.asarray(values, dtype=float)
    return Band(np.arange(len(values), dtype=float), values, values, values, 1)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 8])
def test_without_nan_it_is_the_band_of_the_figures(n):
    rows = np.random.default_rng(n).normal(size=(n, 7))
    rows[0, 2], rows[-1, 4] = -INF, INF
    expected, got = seed_band(rows), band(np.arange(7), rows)
    for name in ("low", "median", "high"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


def test_nan_is_left_out_and_a_curve_ends_with_half_of_the_examples():
    rows = [[0, 1, 2, 3], [2, 3, NAN, NAN], [4, 5, 6, NAN], [NAN] * 4]
    got = band(np.arange(4), rows)
    np.testing.assert_array_equal(got.x, [0, 1, 2])
    np.testing.assert_array_equal(got.median, [2, 3, 4])
    np.testing.assert_array_equal(got.low, [0, 1, 2])
    np.testing.assert_array_equal(got.high, [4, 5, 6])
    assert got.n_examples == 3


def test_nothing_measured_is_an_empty_band():
    for rows in (np.empty((0, 4)), np.full((3, 4), NAN), np.empty((2, 0))):
        got = band(np.arange(rows.shape[1]), rows)
        assert got.empty and got.n_examples == 0
        assert math.isnan(first_fall(got, 1)) and math.isnan(lasts_from(got, 1))


def test_a_gap_in_the_middle_is_nan():
    got = band(np.arange(3), [[1, NAN, 3], [1, NAN, 3]])
    np.testing.assert_array_equal(got.median, [1, NAN, 3])


def test_the_trend_of_lines_is_their_mean_slope_and_its_error():
    slopes = np.array([-0.1, -0.2, -0.4])
    rows = slopes[:, None] * np.arange(30) + 5
    rows[2, 10:] = -INF  # an exact zero does not enter the fit
    got = trend(np.arange(30), rows)
    assert got.rate == pytest.approx(slopes.mean(), rel=1e-12)
    assert got.error == pytest.approx(slopes.std(ddof=1) / 3**0.5, rel=1e-12)
    assert got.e_folding == pytest.approx(30 / 7, rel=1e-12)
    assert got.e_folding_error == pytest.approx(got.error / got.rate**2, rel=1e-12)


def test_the_slope_is_that_of_least_squares():
    x, y = np.arange(12.0), np.random.default_rng(0).normal(size=12)
    assert trend(x, y[None]).rate == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-10)


def test_one_example_has_no_error_and_too_few_points_no_line():
    assert math.isnan(trend(np.arange(9), np.arange(9.0)[None]).error)
    none = trend(np.arange(4), np.arange(4.0)[None])
    assert none.n_examples == 0 and math.isnan(none.rate)
    assert trend(np.arange(9), np.zeros((2, 9))).e_folding == INF


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, -1, -2, -3], 2),
        ([0, -1, -1, -1], INF),
        ([0, -1, -INF, 0], 2),
        ([0, NAN, -5], NAN),
        ([0, -2, NAN], 1),
        ([-INF, -INF], NAN),
    ],
)
def test_first_fall(values, expected):
    np.testing.assert_equal(first_fall(curve(values), 2), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.2, 0.9, 1], 1),
        ([0.2, 0.9, 0.2, 0.9], 3),
        ([0.9, 0.2], INF),
        ([1, 1], 0),
        ([1, NAN], INF),
    ],
)
def test_lasts_from_the_last_crossing(values, expected):
    assert lasts_from(curve(values), 0.8) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, -1, -2, -3], 2),
        ([0, -3, -1, -3, -2], 3),
        ([0, -3, 0], np.inf),
        ([0, -3, np.nan, -3], 3),
        ([0, -np.inf, -np.inf], 1),
        ([-np.inf, -np.inf], np.nan),
        ([np.nan, -3], np.nan),
    ],
)
def test_fallen_from(values, expected):
    np.testing.assert_equal(fallen_from(curve(values), 2), expected)


def test_sustained_growth_is_half_of_an_exponential_and_ln_2_of_a_sum():
    k = np.arange(101.0)
    assert sustained_growth(curve(0.3 * k)) == pytest.approx(15)
    assert sustained_growth(curve(-0.3 * k)) < 0
    # A sum whose first term is e^-12 of the others grows by 15 nats in all, but not for long.
    weak_start = np.log(math.exp(-12) + k)
    assert np.ptp(weak_start) > 15
    assert sustained_growth(curve(weak_start)) == pytest.approx(math.log(2), abs=0.05)  # k is odd
    assert math.isnan(sustained_growth(curve([0.0, 1.0, 2.0])))


def test_growth_that_stops_early_is_still_seen():
    assert sustained_growth(curve(np.minimum(0.5 * np.arange(101), 20))) == pytest.approx(10)


def test_occurrences():
    some = occurrence(np.array([7.0, -1, 3, -1]))
    assert (some.lag, some.first, some.n, some.n_examples) == (7, 3, 2, 4)
    assert occurrence(np.array([7.0, -1, -1])).lag == INF
    assert occurrence(np.empty(0)).n_examples == 0


def test_the_first_step_that_is_not_finite_depends_on_the_direction_of_time():
    steps, forward = np.array([-1.0, 8, 5, 9]), np.array([-1.0, -1, 5, -1])
    places = np.array(["", "log", "exp", "sqrt"])
    ahead = non_finite(steps, forward, places, backward=False)
    back = non_finite(steps, forward, places, backward=True)
    assert (ahead.step, ahead.at, ahead.n, ahead.n_forward) == (5, "exp", 3, 1)
    assert (back.step, back.at) == (9, "sqrt")
    assert non_finite(np.array([-1.0]), forward, places, backward=True) is None


def test_a_thinned_curve_keeps_its_ends_and_extremes():
    rng = np.random.default_rng(1)
    median = np.cumsum(rng.normal(size=3000))
    median[1700] += 1000
    whole = Band(np.arange(3000.0), median - 1, median, median + 2, 5)
    few = thinned(whole, 100)
    assert len(few.x) <= 102 and (np.diff(few.x) > 0).all()
    assert few.x[0] == 0 and few.x[-1] == 2999
    assert few.median.max() == median.max() and few.median.min() == median.min()
    np.testing.assert_array_equal(few.median, median[few.x.astype(int)])
    assert few.high.max() == whole.high.max() and few.low.min() == whole.low.min()
    assert (few.low <= few.median).all() and (few.high >= few.median).all()
    assert thinned(whole, 3000) is whole


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1e-4, 2e-4), (3, 3000), (-700, 12), (0, 0.7)])
def test_ticks_are_round_and_inside(low, high):
    found = np.array(ticks(low, high))
    assert 3 <= len(found) <= 11 and found[0] >= low and found[-1] <= high
    steps = np.diff(found)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-9) == pytest.approx(1) or any(
        steps[0] / 10 ** np.floor(np.log10(steps[0])) == pytest.approx(m) for m in (2, 5)
    )


def test_the_range_of_an_axis_ignores_what_is_infinite():
    low, high = padded_range([curve([-INF, 0, 10, INF, NAN])])
    assert -1 < low < 0 and 10 < high < 11
    assert padded_range([curve([-INF])]) == (-0.06, 1.06)
