"""The setting of a cube by attribute."""

import json
import pickle

import pytest
import xarray as xr

from rnnjax.cube_setting import register
from rnnjax.sweep.cube import read_cube
from tests.test_architecture import EXPERIMENTS

RESULTS = EXPERIMENTS.parent / "results"


@pytest.fixture
def cube():
    register()
    stored = {"axes": {"gain": [1.0]}, "n_h": 64, "leak": None, "axis": "x"}
    return xr.Dataset(coords={"lag": [0, 1]}, attrs={"config": json.dumps(stored)})


def test_values_are_read_by_attribute(cube):
    assert cube.setting.n_h == 64 and cube.setting.leak is None and cube.setting.axis == "x"
    assert "n_h" in cube.setting and "gain" not in cube.setting
    assert "n_h" in dir(cube.setting) and repr(cube.setting).startswith("setting(n_h=64")


def test_a_part_of_a_cube_keeps_it(cube):
    assert cube.isel(lag=0).setting.n_h == 64


def test_changed_attributes_are_seen(cube):
    assert cube.setting.n_h == 64
    cube.attrs["config"] = '{"n_h": 32}'
    assert cube.setting.n_h == 32


def test_a_typed_setting_takes_precedence(cube):
    assert cube.assign_attrs(setting='{"n_h": 7}').setting.n_h == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gain", r"setting: gain is an axis: expected cube\['gain'\]"),
        ("lag", r"setting: lag is an axis: expected cube\['lag'\]"),
        ("n_hh", r"setting: expected one of axis, leak, n_h, got 'n_hh' \(did you mean 'n_h'\?\)"),
    ],
)
def test_other_names_are_one_line(cube, name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(cube.setting, name)


def test_a_cube_without_a_setting_says_so():
    with pytest.raises(AttributeError, match=r"nothing \(none was found\), got 'n_h'"):
        _ = xr.Dataset().setting.n_h


def test_a_cube_that_was_read_has_it_and_can_be_pickled():
    cube = read_cube(RESULTS / "gradient_norms")
    assert cube.setting.n_h == json.loads(cube.attrs["config"])["n_h"]
    assert pickle.loads(pickle.dumps(cube)).setting.n_h == cube.setting.n_h


def test_an_axis_may_have_the_name(cube):
    swept = cube.assign_coords(setting=["a", "b"])
    assert swept["setting"].values.tolist() == ["a", "b"] and swept.setting.n_h == 64
