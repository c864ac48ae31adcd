"""Reductions along one dim, on lines whose answers are known."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.reductions import at_best, crossing, evenly, is_largest, rise, slope


def line(values, x, dim="gain"):
    return xr.DataArray(np.asarray(values, dtype=float), coords={dim: x}, dims=dim)


def test_rise_and_slope_of_a_line_are_its_slope():
    lag = np.array([0, 1, 3, 7])
    values = xr.DataArray(
        [3 - 2 * lag, 5 + 0.5 * lag], coords={"gain": [1, 2], "lag": lag}, dims=("gain", "lag")
    )
    assert_allclose(rise(values, "lag").transpose("gain", "lag"), [[-2] * 3, [0.5] * 3])
    assert rise(values, "lag")["lag"].values.tolist() == [1, 3, 7]
    assert_allclose(slope(values, "lag"), [-2, 0.5])


def test_slope_begins_where_it_is_told():
    assert float(slope(line([0, 9, 10, 11], range(4), "lag"), "lag", start=1)) == 1


@pytest.mark.parametrize(
    ("values", "level", "expected"),
    [
        ([-1, 0, 1], 0.0, 1.0),
        ([-1, 3, 4], 0.0, 0.25),
        ([-1, 1, -1], 0.5, 0.75),
        ([-3, -2, -1], 0.0, np.nan),
        ([1, 2, 3], 0.0, np.nan),
        ([3, -1, 1], 0.0, 1.5),
        ([np.nan, -1, 1], 0.0, 1.5),
        ([-1, np.nan, 1], 0.0, np.nan),
    ],
)
def test_crossing_is_the_first_rise_through_the_level(values, level, expected):
    assert_array_equal(crossing(line(values, [0.0, 1.0, 2.0]), "gain", level), expected)


def test_a_crossing_at_an_unknown_place_is_not_passed_over_for_a_later_one():
    curve = line([-1, np.nan, 2, -1, 3], [0.0, 1.0, 2.0, 3.0, 4.0])
    assert np.isnan(crossing(curve, "gain"))
    assert crossing(curve.fillna(-2.0), "gain") == 1.5


def test_at_best_chooses_for_each_rule_and_takes_nan_for_the_worst():
    score = xr.DataArray(
        [[3.0, 1.0, 2.0], [np.nan, 5.0, 4.0]],
        coords={"rule": ["a", "b"], "rate": [0.1, 0.3, 1.0]},
        dims=("rule", "rate"),
    )
    runs = xr.Dataset({"end": score.expand_dims(seed=[0, 1])})
    best = at_best(runs, score)
    assert best["rate"].values.tolist() == [0.3, 1.0]
    assert_array_equal(best["end"].transpose("rule", "seed"), [[1, 1], [4, 4]])


def test_evenly_keeps_both_ends_and_repeats_nothing():
    values = line(range(31), range(31))
    assert evenly(values, "gain", 5)["gain"].values.tolist() == [0, 8, 15, 22, 30]
    assert evenly(values.isel(gain=slice(2)), "gain", 5).sizes["gain"] == 2


def test_a_crossing_is_the_first_one_by_the_coordinate_whatever_the_order_of_the_places():
    values, gain = np.array([1.0, -1.0, 1.0, -1.0]), np.array([0.0, 1.0, 2.0, 3.0])
    assert crossing(line(values, gain), "gain") == 1.5
    for order in ([3, 2, 1, 0], [2, 0, 3, 1]):
        assert crossing(line(values[order], gain[order]), "gain") == 1.5
    assert np.isnan(crossing(line([-1, 3], [2.0, 1.0]), "gain"))  # it falls


def test_the_best_place_is_found_by_its_label():
    runs, score = line([1, 2], [10, 20], "rate"), line([1, 0], [20, 10], "rate")
    assert float(at_best(runs, score)) == 1.0
    both = xr.DataArray(
        [[1.0, 2.0], [3.0, 4.0]],
        coords={"rule": ["a", "b"], "rate": [10, 20]},
        dims=("rule", "rate"),
    )
    turned = (both % 3).isel(rule=[1, 0], rate=[1, 0])  # least at rate 10 for a, at 10 for b
    assert at_best(both, turned).values.tolist() == [1.0, 3.0]


DATES = np.array(["2020-01-01", "2020-01-02", "2020-01-04"], dtype="datetime64[ns]")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: rise(line([1, 2, 3], DATES), "gain"), "coordinate gain: .* got datetime64"),
        (lambda: slope(line([1, 2, 3], list("abc")), "gain"), "coordinate gain: .* got <U1"),
        (lambda: crossing(line([1, 2, 3], DATES), "gain"), "coordinate gain: .* got datetime64"),
        (lambda: rise(line([1, 2], [0, 1]), "lag"), r"over: expected a dim .* \(gain\), got 'lag'"),
        (lambda: rise(line([1, 2], [0, 1]) + 1j, "gain"), "values: .* got complex128"),
        (lambda: slope(line([1, 2], [0, 1]), "gain", 2), "start: expected one of 2 places, got 2"),
        (lambda: slope(line([1, 2], [0, 1]), "gain", 0.5), "start: expected one of 2 .*, got 0.5"),
        (lambda: slope(line([], []), "gain"), "start: expected one of 0 places"),
        (lambda: crossing(line([1, 2], [0, 1]), "gain", np.nan), "level: .*, got nan"),
        (lambda: crossing(line([1, 2], [0, 1]).expand_dims("b"), "gain"), "values: .* one curve"),
        (lambda: at_best(line([1, 2], [0, 1]), line([1, 2], [0, 2]), "gain"), "score: .* places"),
        (lambda: at_best(line([], []), line([], []), "gain"), "values: expected at least 1 along"),
        (lambda: evenly(line([1, 2], [0, 1]), "gain", -1), "n: expected a whole number .* got -1"),
        (lambda: evenly(line([1, 2], [0, 1]), "gain", 1.5), "n: expected a whole number .* 1.5"),
        (lambda: evenly(line([], []), "gain", 1), "values: expected at least 1 along gain, got 0"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_line(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        wrong()
    assert "\n" not in str(caught.value)


def test_the_largest_of_each_row():
    nan, inf = np.nan, np.inf
    rows = [[1, 5, 2], [4, 4, 3], [1, nan, 2], [nan] * 3, [-inf, -inf, -1], [inf, 1, inf]]
    expected = [[0, 1, 0], [1, 0, 0], [nan] * 3, [nan] * 3, [0, 0, 1], [1, 0, 0]]
    values = xr.DataArray(rows, dims=("seed", "step"), coords={"step": [1, 2, 3]})
    found = is_largest(values, "step")
    assert_array_equal(found, expected)
    assert found["step"].values.tolist() == [1, 2, 3]
    assert is_largest(values.T, "step").identical(found.T)
    with pytest.raises(ValueError, match="over: expected a dim of the values"):
        is_largest(values, "lag")
