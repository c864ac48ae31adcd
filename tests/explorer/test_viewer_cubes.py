"""Two cubes that differ in their dims, and how large and how exact the numbers of a page are."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.errors import ConfigError
from rnnjax.explorer import cube_json, cube_page
from rnnjax.explorer.selection import selected
from tests.explorer.views import view, written


def test_each_of_two_cubes_says_where_its_own_dims_are_taken(open_page, tmp_path):
    """The second variable has a dim that the first lacks, and lacks one that the first has."""
    a = xr.Dataset({"v": (("x", "seed"), np.arange(6.0).reshape(3, 2))}, {"seed": [0, 1]})
    b = xr.Dataset({"v": (("x", "layer"), np.arange(6.0).reshape(3, 2))}, {"layer": [5, 6]})
    page = open_page(written(tmp_path, a=a, b=b))
    found = view(page, "v", **{"y": "none", "at:seed": "median", "at:layer": "1"})
    titles = [part["title"] for part in found["parts"][:2]]
    assert titles == ["a: v over x, median over seed", "b: v over x, layer = 6"]
    assert "differ in other dims" in found["parts"][2]["note"]
    assert page.locator("[id='cube-at:layer']").is_visible()


def test_the_difference_of_two_single_numbers_is_told(open_page, tmp_path):
    cubes = [xr.Dataset({"v": ((), value, {"units": "nat"})}) for value in (1.5, 123460.25)]
    page = open_page(written(tmp_path, a=cubes[0], b=cubes[1]))
    notes = [part["note"] for part in view(page, "v")["parts"]]
    assert notes == ["1.5 nat", "123460 nat", "123459 nat"]


def test_the_limit_counts_what_the_page_holds(monkeypatch):
    """Bools become float32 and integers float64; of a status each code is a byte."""
    cube = xr.Dataset({"a": ("x", np.zeros(100, bool)), "b": ("x", np.zeros(100, np.int16)),
                       "b_status": ("x", np.zeros(100, np.int8))})  # fmt: skip
    monkeypatch.setattr(cube_page, "LARGEST", 1299)
    with pytest.raises(ConfigError, match=r"b 0\.000763 MB, a 0\.000381 MB, b_status 9\.54e-05"):
        cube_page.cube_page({"c": cube})
    monkeypatch.setattr(cube_page, "LARGEST", 1300)
    cube_page.cube_page({"c": cube})


@pytest.mark.parametrize(
    ("integers", "rounded"),
    [
        ([2**60, 2**60 + 1], True),
        ([0, 2**53 + 1], True),  # whose float64 is 2^53
        ([0, -(2**53) - 1], True),
        (np.uint64([0, 2**64 - 1]), True),
        ([-(2**53), 2**53], False),
        ([0, 2**60], False),
    ],
)
def test_integers_that_float64_does_not_hold_are_told(integers, rounded):
    told = "integers beyond 2^53 are rounded to 53 bits"
    cube = xr.Dataset({"v": ("x", [1.0, 2.0]), "n": ("x", integers)}, coords={"x": integers})
    found = cube_json.entry("c", cube)
    assert found["notes"] == [f"x: {told}"] * rounded
    assert [part["note"] for part in found["variables"]] == ["", told * rounded]


def test_a_place_is_the_coordinate_that_was_typed_before_one_close_to_it():
    seeds = [10**10, 10**10 + 1]
    cube = xr.Dataset({"v": ("seed", [1.0, 2.0])}, coords={"seed": seeds})
    assert [selected(cube, (), [f"seed={seed}"])["v"].item() for seed in seeds] == [1.0, 2.0]
