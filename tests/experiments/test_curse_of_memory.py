"""The curse of memory in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "curse_of_memory"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["state"].dims == ("decay", "correlation")
    assert cube["curvature"].dims == ("decay", "correlation", "teacher")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 16
    assert not failed(NAME, cube)


def test_the_normalised_unit_is_the_plain_one_times_a_constant(cube):
    """Chain and linear recurrent unit, real and complex, see the same inputs."""
    short = 1 - cube["decay"] ** 2
    np.testing.assert_allclose(cube["normalised_state"], short * cube["state"], rtol=1e-9)


@pytest.mark.parametrize(
    ("claim", "name", "factor"),
    [
        ("E h^2 against theory, relative", "state", 1.03),
        ("E h^2 against theory, standard errors", "state", 1.03),
        ("l = 0.9, r = 0.5: E h^2", "state", 1.03),
        ("E (dh/dl)^2 against theory, relative", "sensitivity", 0.97),
        ("l = 0.9, r = 0: E (dh/dl)^2", "sensitivity", 0.97),
        ("E u^2 against theory, relative", "normalised_state", 1.03),
        ("E (du/dl)^2 against theory, relative", "normalised_sensitivity", 1.03),
        ("white inputs: largest", "reparametrised_sensitivity", 1.1),
        ("curvature of the loss at l = l* = 0.9", "curvature", 1.0001),
        ("curvature of the loss at l = l* = 0.99", "curvature", 1.000001),
        ("curvature, normalised", "reparametrised_curvature", 1.000001),
    ],
)
def test_each_claim_can_fail(cube, claim, name, factor):
    spoilt = cube.assign({name: factor * cube[name]})
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


def test_a_cube_of_nan_fails_every_claim(cube):
    nothing = cube.assign({name: cube[name] * np.nan for name in cube.data_vars})
    assert not any(verdicts(NAME, nothing).values())


def test_claims_and_figure_stand_on_other_axes(cube):
    some = cube.isel(decay=[0], correlation=[1], teacher=[0])
    assert len(verdicts(NAME, some)) == 9
    assert not failed(NAME, some)
    load(NAME).figure(some)


def test_too_short_a_start_is_refused(capsys):
    assert main(["plan", NAME, "--axes.decay", "0.999"]) == 2
    assert "n_discarded: expected at least 15000" in capsys.readouterr().err
