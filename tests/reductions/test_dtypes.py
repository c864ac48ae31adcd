"""Every reduction of integers and truth values is the one of the same numbers in float64."""

import numpy as np
import pytest
import xarray as xr

from rnnjax import reductions
from rnnjax.reductions import largest, quantile, smallest

DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")

# Each takes values over (gain, seed) and others like them; what is not here must be in NO_VALUES.
REDUCTIONS = {
    "at_best": lambda a, b: reductions.at_best(a, b, "gain"),
    "area_under_curve": lambda a, b: reductions.area_under_curve(a, b > b.mean()),
    "band": lambda a, b: xr.concat(reductions.band(a), "edge"),
    "best_threshold": lambda a, b: reductions.best_threshold(a, b > b.mean()),
    "cells": lambda a, b: reductions.cells(a, b > b.mean()),
    "crossing": lambda a, b: reductions.crossing(a.isel(seed=0), "gain", 1),
    "evenly": lambda a, b: reductions.evenly(a, "gain", 2),
    "gap": lambda a, b: reductions.gap(a, b),
    "in_standard_errors": lambda a, b: reductions.in_standard_errors(a),
    "is_largest": lambda a, b: reductions.is_largest(a, "gain"),
    "largest": lambda a, b: reductions.largest(a),
    "median": lambda a, b: reductions.median(a),
    "quantile": lambda a, b: reductions.quantile(a, 0.3),
    "relative_gap": lambda a, b: reductions.relative_gap(a, b, least=1),
    "rise": lambda a, b: reductions.rise(a, "gain"),
    "seed_band": lambda a, b: np.stack(reductions.seed_band(a.values.T)),
    "shares_below": lambda a, b: reductions.shares_below(a)["value"],
    "slope": lambda a, b: reductions.slope(a, "gain"),
    "smallest": lambda a, b: reductions.smallest(a),
}
NO_VALUES = {"SeedBand", "Threshold", "finite_states", "tabulate"}


def values_of(dtype):
    """Two arrays (gain, seed) with the extremes of a dtype, rising and falling along both dims."""
    least, most = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if np.dtype(dtype).itemsize == 8:  # that float64 holds
        least, most = max(least, -(2**52)), 2**52
    a = np.array([[most, least], [least, most], [1, 0], [0, most]], dtype)
    b = np.array([[least, most], [1, 1], [0, most], [1, least]], dtype)
    gain = np.array([1, 0, 1, 0] if dtype == "bool" else [3, 2, 1, 0], dtype)
    coordinates = {"gain": gain if dtype != "bool" else np.arange(4), "seed": [0, 1]}
    return [xr.DataArray(x, coords=coordinates, dims=("gain", "seed")) for x in (a, b)]


def in_float64(values):
    floats = values.astype(float)
    return floats.assign_coords(gain=values["gain"].values.astype(float))


def test_every_public_reduction_is_compared():
    assert REDUCTIONS.keys() | NO_VALUES == set(reductions.__all__)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_of_integers_is_that_of_floats(name, dtype):
    given = values_of(dtype)
    found = REDUCTIONS[name](*given)
    expected = REDUCTIONS[name](*map(in_float64, given))
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected), rtol=1e-15)


@pytest.mark.parametrize("expected", [201, np.uint8(201), np.array(201, np.uint8)])
def test_gaps_to_one_integer(expected):
    found = xr.DataArray(np.array([200, 203], np.uint8), dims="seed")
    assert reductions.gap(found, expected).values.tolist() == [1.0, 2.0]
    relative = reductions.relative_gap(found, expected).values.tolist()
    assert relative == pytest.approx([1 / 201, 2 / 201], rel=1e-15)


def test_extremes_of_small_integers_are_exact():
    numbers = xr.DataArray(np.array([-128, 2], np.int8), dims="seed")
    assert (smallest(numbers), largest(numbers)) == (-128.0, 2.0)
    truths = xr.DataArray(np.array([True, False]), dims="seed")
    assert (smallest(truths), largest(truths)) == (0.0, 1.0)
    where = xr.DataArray([False, True], dims="seed")
    assert smallest(numbers.astype(np.uint8), where) == 2.0


@pytest.mark.parametrize("share", [1.2, -0.2, float("nan"), "a", None])
def test_a_share_is_from_0_to_1(share):
    values = xr.DataArray([1.0, 2.0], dims="seed")
    with pytest.raises(ValueError, match=r"^share: expected a number from 0 to 1, got ") as caught:
        quantile(values, share)
    assert "\n" not in str(caught.value)
    assert [float(quantile(values, one)) for one in (0, 1, np.float32(0.5))] == [1.0, 2.0, 1.5]
