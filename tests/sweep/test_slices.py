"""Cubes with more axes than their experiment draws, whole and of parts that a user has taken."""

import json

import numpy as np
import pytest
import xarray as xr

from rnnjax import sweep
from rnnjax.cube_setting import register
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.slices import slices

AXES = {"gain": [0.5, 2.0], "n_h": [4, 8, 16], "case": {"rule": ["a", "b"], "sizes": [[1, 2], []]}}


class Setting(sweep.Setting):
    """A setting whose experiment draws one axis."""

    gain: float = 1.0
    axes = ("gain",)


@pytest.fixture
def cube():
    """A cube whose numbers are n_h."""
    register()
    coords = {"gain": [0.5, 2.0], "n_h": [4, 8, 16], "case": ["a/1,2", "b/"]}
    values = np.broadcast_to(np.reshape([4, 8, 16], (3, 1)), (2, 3, 2))
    attrs = {"config": json.dumps({"axes": AXES, "length": 7})}
    return xr.Dataset({"v": ([*coords], values)}, coords, attrs)


@pytest.mark.parametrize(
    "taken",
    [
        lambda cube: cube,
        lambda cube: cube.sel(n_h=[8]),
        lambda cube: cube.isel(n_h=[2, 0], case=[1]),
        lambda cube: cube.sortby("n_h", ascending=False),
        lambda cube: cube.drop_vars(["n_h", "case"]),
    ],
)
def test_the_setting_of_a_part_is_that_of_its_numbers(cube, taken):
    parts = [*slices(taken(cube), Setting)]
    assert len(parts) == taken(cube).sizes["n_h"] * taken(cube).sizes["case"]
    for name, part in parts:
        assert dict(part.sizes) == {"gain": 2}
        assert {*part["v"].values.tolist()} == {part.setting.n_h}
        if "n_h=" in name and "case=b" in name:
            assert (part.setting.rule, part.setting.sizes) == ("b", [])


@pytest.mark.parametrize(
    "taken",
    [
        lambda cube: cube.assign_coords(n_h=[4, 8, 32]),
        lambda cube: cube.isel(n_h=[0, 2]).drop_vars("n_h"),
        lambda cube: cube.assign_coords(case=["a/1,2", "c/"]),
    ],
)
def test_a_point_that_the_config_does_not_have_is_refused(cube, taken):
    with pytest.raises(StoreError, match=r"an axis of the cube: expected one of the [23] points"):
        [*slices(taken(cube), Setting)]
