"""Training of flossed networks in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "flossed_training"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def as_it_should_be():
    """A cube of a whole sweep: flossed networks solve what plain ones do not."""
    axes = {"n_flossed": [1, 4], "gain": [1.0, 1.5], "seed": [0, 1, 2]}
    inner = {"arm": ["plain", "preflossed", "interflossed"], "delay": [5, 15], "update": [300, 600]}
    coords = axes | inner

    def full(dims, values):
        shape = tuple(len(coords[name]) for name in (*axes, *dims))
        return (*axes, *dims), np.broadcast_to(values, shape).copy()

    accuracy = np.array([0.5, 0.97, 0.98])[:, None, None]
    jitter = 0.01 * np.arange(3)[:, None, None, None]
    return xr.Dataset(
        {
            "loss": full(("arm", "delay", "update"), 0.5),
            "accuracy": full(("arm", "delay", "update"), accuracy + jitter),
        },
        coords=coords,
    )


def test_dims_and_status(cube):
    assert cube["accuracy"].dims == ("n_flossed", "gain", "seed", "arm", "delay", "update")
    assert_computed(cube)


def test_a_short_training_makes_no_claim(cube):
    assert not verdicts(NAME, cube)  # a quick training is too short for any


def test_flossing_changes_the_training_behind_it(cube):
    """Preflossed and interflossed networks begin alike, plain ones do not."""
    loss = cube["loss"].transpose("arm", ..., "update").values
    assert not np.array_equal(loss[0], loss[1])
    np.testing.assert_array_equal(loss[1][..., 0], loss[2][..., 0])
    assert not np.array_equal(loss[1], loss[2])
    # Before anything is learned the loss is near chance, ln 2.
    np.testing.assert_allclose(loss[0][..., 0], np.log(2), atol=0.4)


def test_a_sweep_that_is_as_it_should_be_passes():
    assert len(verdicts(NAME, as_it_should_be())) == 5
    assert not failed(NAME, as_it_should_be())


@pytest.mark.parametrize(
    ("claim", "name", "where", "value"),
    [
        ("accuracy, k = 4 preflossed minus plain, g", "accuracy", {"arm": "preflossed"}, 0.55),
        ("accuracy, k = 4 preflossed minus plain at", "accuracy",
         {"arm": "plain", "gain": 1.5}, 0.97),
        ("solved", "accuracy", {"arm": "plain"}, 0.96),
        ("accuracy, k = 4: the difference", "accuracy", {"arm": "preflossed", "seed": 0}, 0.2),
        ("accuracy, k = 4, longest", "accuracy", {"arm": "interflossed", "delay": 15}, 0.9),
    ],
)  # fmt: skip
def test_each_claim_can_fail(claim, name, where, value):
    cube = as_it_should_be()
    cube[name].loc[where] = value
    assert any(told.startswith(claim) for told in failed(NAME, cube))


def test_claims_and_figure_stand_on_other_axes():
    some = as_it_should_be().sel(n_flossed=[1], gain=[1.5], seed=[2])
    assert verdicts(NAME, some)
    with styled():
        drawn = load(NAME).figure(some)
    assert len(drawn.axes) == 2
