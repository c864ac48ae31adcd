"""Descent at the wall of one unit in quick mode, and its claims against cubes that are wrong."""

import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "clipped_descent"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["descent"].dims == ("start", "arm", "update", "parameter")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 9
    assert not failed(NAME, cube)


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("at the wall: gradient", plus("log_wall_gradient", 1e-6, length=20)),
        ("at the wall: curvature", plus("wall_curvature", 1.0, length=20)),
        ("at the wall: |cosine|", plus("wall_direction", 1e-3, parameter="w")),
        ("at the wall: a plain", plus("wall_step", 1e-3, arm="plain")),
        ("at the wall: a clipped", plus("wall_step", 1e-3, arm="clipped")),
        ("plain descents with a step", plus("longest_step", -99.0, arm="plain")),
        ("clipped descents with a step", plus("longest_step", 1.0, arm="clipped")),
        ("plain descents with E", plus("last_cost", -1.0, arm="plain")),
        ("clipped descents with E", plus("last_cost", 1.0, arm="clipped")),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_claims_and_figure_stand_on_other_axes(cube):
    other = cube.assign_coords(start=[0.25])
    told = verdicts(NAME, other)
    assert not any(name.startswith(("plain desc", "clipped desc")) for name in told)
    load(NAME).figure(other)


def test_a_start_without_a_wall_is_refused(capsys):
    assert main(["plan", NAME, "--axes.start", "0.5,1.5"]) == 2
    assert "axes.start: expected starts with a wall, got 1.5" in capsys.readouterr().err
