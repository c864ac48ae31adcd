"""The cost of one unit in quick mode, and its claims against cubes that are wrong."""

import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "error_surface"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["cost"].dims == ("start", "w", "b")
    assert cube["slopes"].dims == ("start", "w", "b", "parameter")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 8
    assert not failed(NAME, cube)


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("w = 5: folds", plus("folds", 1e-5, fold="upper", fold_part="b")),
        ("width of the interval", plus("settled", -3.0, **{"from": "above"})),
        ("plane: E, and dE", plus("cost", 1e-8)),
        ("plane: E, and dE", plus("slopes", 1e-5, parameter="w")),
        ("steepest b", plus("steepest_b", -0.06, row=5.0)),
        ("E and dE at w = 6, b = -3", plus("slopes", 1e-9, w=6.0, b=-3.0)),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_claims_on_the_fine_grid_are_made_where_it_was_measured(cube):
    fine = cube.assign_attrs(
        config=cube.attrs["config"].replace("[4.0, 7.0, 31]", "[4.0, 7.0, 601]")
        .replace("[-3.5, -1.5, 41]", "[-3.5, -1.5, 601]")
    )  # fmt: skip
    wrong = set(failed(NAME, fine))
    assert {"largest |dE| on the grid", "median |dE| on the grid"} <= wrong


def test_claims_and_figure_stand_on_other_axes(cube):
    other = cube.assign_coords(start=[0.25])
    told = verdicts(NAME, other)
    assert not any(name.startswith("E and dE at") for name in told)
    load(NAME).figure(other)


def test_a_start_without_a_wall_is_refused(capsys):
    assert main(["plan", NAME, "--axes.start", "0.5,1.5"]) == 2
    assert "axes.start: expected starts with a wall, got 1.5" in capsys.readouterr().err
