"""Reductions along one dim, on lines whose answers are known."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from rnnjax.reductions import at_best, crossing, evenly, rise, slope


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
    ],
)
def test_crossing_is_the_first_rise_through_the_level(values, level, expected):
    assert_array_equal(crossing(line(values, [0.0, 1.0, 2.0]), "gain", level), expected)


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
