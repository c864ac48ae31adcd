"""Trainability in quick mode, and its claims against cubes whose outcome is known."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "trainability"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


@pytest.fixture(scope="module")
def whole():
    """The committed cube of the standard sweep."""
    return xr.load_dataset("results/trainability/cube.nc")


def test_dims_and_status(cube):
    assert cube["accuracy"].dims == ("case", "problem", "level", "learning_rate", "seed")
    assert_computed(cube, or_beyond=True)
    assert not verdicts(NAME, cube)


def learned_where(whole, condition):
    return whole.assign(accuracy=xr.where(condition, 1.0, 0.0) + 0 * whole["accuracy"])


def delay_over_time(whole):
    rate = abs(whole["growth_rate"].isel(learning_rate=0, drop=True).median("seed"))
    return rate * whole["delay"]


def test_a_world_of_one_constant_has_area_one_and_no_spread(whole):
    ideal = learned_where(whole, delay_over_time(whole) < 1.0)
    claims = {claim.name: claim for claim in load(NAME).claims(ideal)}
    area = claims["recall: area under the curve of delay / e-folding time"]
    np.testing.assert_allclose(area.measured, 1.0)
    assert failed(NAME, ideal) == ["recall: largest threshold c of a cell over the smallest"]


def test_a_world_in_which_the_delay_alone_decides_fails(whole):
    by_delay = learned_where(whole, whole["delay"] < 20)
    assert "the same minus that of the delay alone" in failed(NAME, by_delay)


def test_a_world_turned_round_fails(whole):
    turned = learned_where(whole, delay_over_time(whole) > 1.0)
    assert "recall: area under the curve of delay / e-folding time" in failed(NAME, turned)
    assert "the same minus that of the number of state entries" in failed(NAME, turned)


def test_claims_hold_and_the_figure_stands_on_some_cells(whole):
    assert not failed(NAME, whole)
    load(NAME).figure(whole.isel(case=slice(0, 2)))
