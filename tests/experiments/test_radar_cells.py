"""Radar cells in quick mode, and the claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("radar_cells")
VARIABLES = ("cell_accuracy", "cell_surprise")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep, by the command line."""
    return quick_cube("radar_cells", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["cell_accuracy"].dims == ("seed", "border", "view")
    assert set(VARIABLES) == {str(name) for name in cube.data_vars if not name.endswith("_status")}
    for name in VARIABLES:
        assert set(np.unique(cube[f"{name}_status"])) == {1}, name


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 8
    assert all(verdicts(cube).values())


def test_every_claim_can_fail(cube):
    failed = {}
    for name in VARIABLES:
        for changed in (1.2 * cube[name] + 0.1, 0.7 * cube[name] - 0.1):
            spoilt = verdicts(cube.assign({name: changed}))
            failed |= {claim: name for claim, passed in spoilt.items() if not passed}
    assert set(failed) == set(verdicts(cube))
    assert set(failed.values()) == set(VARIABLES)


def test_a_cube_of_nan_fails_every_claim(cube):
    nothing = {name: cube[name] * np.nan for name in VARIABLES}
    assert not any(verdicts(cube.assign(nothing)).values())


@pytest.mark.parametrize(
    ("claim", "variable", "where"),
    [
        ("cells, torus, order-blind: accuracy", "cell_accuracy",
         {"border": "torus", "view": "order-blind"}),
    ],
)  # fmt: skip
def test_a_claim_fails_by_the_number_that_it_names_in_a_single_run(cube, claim, variable, where):
    spoilt = cube[variable].copy(deep=True)
    sign = -1 if "right directions" in claim else 1
    spoilt.loc[{"seed": 1, **where}] += sign * 0.05
    found = verdicts(cube.assign({variable: spoilt}))
    assert not found[claim]
    assert sum(not passed for passed in found.values()) <= 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-updates", "0"], "n_updates: expected a number greater"),
    ],
)
def test_bad_input_is_one_line(flags, message, capsys):
    assert main(["plan", "radar_cells", *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
