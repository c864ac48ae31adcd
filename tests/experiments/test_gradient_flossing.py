"""Gradient flossing in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "gradient_flossing"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def as_it_should_be():
    """A cube of a whole sweep: exponents are pulled to 0."""
    axes = {"n_flossed": [1, 4], "gain": [1.0, 1.5], "seed": [0, 1, 2]}
    inner = {"stage": ["start", "flossed"], "index": np.arange(1, 5), "lag": np.arange(5)}
    inner |= {"product_lag": [10, 20, 30], "share": np.linspace(0, 1, 8), "flossing": [250, 500]}
    coords = axes | inner

    def full(dims, values):
        shape = tuple(len(coords[name]) for name in (*axes, *dims))
        return (*axes, *dims), np.broadcast_to(values, shape).copy()

    spectrum = np.array([[-0.5, -1, -1.5, -2], [0.01, 0, -0.01, -0.02]])
    return xr.Dataset(
        {
            "flossing_exponents": full(("flossing", "share"), 0.01),
            "spectrum": full(("stage", "index"), spectrum),
            "mean_log_det": full(("stage",), spectrum.sum(axis=1)),
            "log_singular": full(("stage", "product_lag", "index"), 20 * spectrum[:, None]),
            "log_norm": full(("stage", "lag"), -np.arange(5.0)),
        },
        coords=coords,
    )


def test_dims_and_status(cube):
    assert cube["spectrum"].dims == ("n_flossed", "gain", "seed", "stage", "index")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 1
    assert not failed(NAME, cube)


def test_flossing_moves_the_exponents(cube):
    before, behind = (cube["spectrum"].sel(stage=stage) for stage in ("start", "flossed"))
    assert np.all(np.abs(before - behind).max("index") > 1e-4)


def test_a_sweep_that_is_as_it_should_be_passes():
    assert len(verdicts(NAME, as_it_should_be())) == 6
    assert not failed(NAME, as_it_should_be())


@pytest.mark.parametrize(
    ("claim", "name", "where", "value"),
    [
        ("sum of all exponents", "mean_log_det", {"seed": 1}, 0.0),
        ("mean |lambda| of the first 1, g = 1, f", "flossing_exponents", {"n_flossed": 1}, -0.1),
        ("mean |lambda| of the first 4, g = 1, f", "flossing_exponents", {"n_flossed": 4}, -0.1),
        ("mean |lambda| of the first 4, g = 1, l", "spectrum", {"n_flossed": 4, "index": 2}, 0.3),
        ("condition number", "log_singular", {"stage": "flossed", "index": 4}, -40.0),
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
    assert len(drawn.axes) == 4
