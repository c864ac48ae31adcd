"""The sheets of the workbook, trained in quick mode; the claims against cubes that are wrong."""

import json

import numpy as np
import pytest
import xarray as xr

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("workbook")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube("workbook", tmp_path_factory.mktemp("sweep") / "out")


def long_cube(cube):
    """The cube as if it had been trained for 1000 cycles, as a user's own sweep may be."""
    config = {**json.loads(cube.attrs["config"]), "n_updates": 1000, "n_first_updates": 500}
    last = [0, *range(1, cube.sizes["update"] - 2), 500, 1000]
    names = ["removed_training_error", "removed_held_out_error"]
    grown = {n: cube[n] * xr.DataArray([1, 2, 2, 2], dims="removed") / cube[n] for n in names}
    return cube.assign(grown).assign_coords(update=last).assign_attrs(config=json.dumps(config))


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_first_values(cube):
    assert cube["training_error"].dims == ("sheet", "seed", "start", "update")
    assert cube["removed_held_out_error"].dims == ("sheet", "seed", "removed")
    assert cube["update"].values.tolist() == [0, 1, 2, 3, 5, 7, 10, 20, 30, 50, 60]
    # Before any cycle, the sheets have the same weights and the same data.
    first = cube["training_error"].isel(update=0)
    np.testing.assert_array_equal(first.sel(sheet="rnn"), first.sel(sheet="rnn+et"))
    np.testing.assert_array_equal(
        cube["removed_training_error"].sel(removed="nothing"),
        cube["training_error"].sel(start="random").isel(update=-1),
    )


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 6
    assert all(verdicts(cube).values())


def test_what_was_trained_as_a_feedforward_network_is_better_at_that(cube):
    forced = cube["forced_error"]
    assert (forced.sel(start="first_set") < forced.sel(start="random")).all()


def test_claims_of_long_training_hold_and_can_fail(cube):
    grown = long_cube(cube)
    names = set(verdicts(grown)) - set(verdicts(cube))
    assert len(names) == 6
    flat = {"removed_held_out_error": grown["removed_held_out_error"] * 0 + 1}
    lower = flat["removed_held_out_error"] - 0.1 * (grown["removed"] != "nothing")
    lower = lower.transpose(*grown["removed_held_out_error"].dims)
    assert _failed(grown.assign(removed_held_out_error=lower)) >= {
        f"rnn: error held out without {name}, over that with all" for name in ("i1", "i2", "i3")
    }
    assert "rnn: error held out over error used" in _failed(
        grown.assign(held_out_error=grown["held_out_error"] * 1.5)
    )
    late = grown["start"] == "first_set"
    poor = grown["training_error"].where(~late, grown["training_error"] * 100)
    assert "rnn: error from the first set over error from random, equal cycles" in _failed(
        grown.assign(training_error=poor.transpose(*grown["training_error"].dims))
    )


def _failed(cube):
    return {name for name, passed in verdicts(cube).items() if not passed}


def test_a_run_that_ends_worse_fails_the_claim_of_the_sheet_rnn(cube):
    worse = cube["training_error"].copy()
    worse[{"update": -1}] = np.inf
    assert "rnn: runs that end worse than they began" in _failed(cube.assign(training_error=worse))
    better = cube["training_error"] / (1 + cube["update"])
    spoilt = long_cube(cube.assign(training_error=better.transpose(*worse.dims)))
    assert "rnn+et: share of runs that end worse than they began" in _failed(spoilt)


@pytest.mark.parametrize("sheets", [["rnn"], ["rnn+et"]])
def test_figure_and_claims_of_one_sheet(cube, sheets):
    chosen = cube.sel(sheet=sheets)
    assert EXPERIMENT.figure(chosen).axes
    assert all(verdicts(chosen).values())


def test_an_unknown_sheet_is_one_line(capsys):
    assert main(["plan", "workbook", "--axes.sheet", "rnn+xt"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "axes.sheet" in error
