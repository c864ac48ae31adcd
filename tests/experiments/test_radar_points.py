"""Two radar points in quick mode, and the claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("radar_points")
VARIABLES = ("point_error", "point_error_one_way", "point_direction", "swap_change", "deck_answer",
             "coefficient", "recurrent_weight", "chain_loss")  # fmt: skip


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep, by the command line."""
    return quick_cube("radar_points", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["point_error"].dims == ("seed", "net")
    assert set(VARIABLES) == {str(name) for name in cube.data_vars if not name.endswith("_status")}
    for name in VARIABLES:
        assert set(np.unique(cube[f"{name}_status"])) == {1}, name


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 22
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


def test_the_order_is_all_that_the_dense_nets_lack(cube):
    error = cube["point_error"]
    assert float(error.sel(net="dense, order-blind").min()) > 2.4375
    assert float(error.sel(net="dense, ordered").max()) < 1e-2
    assert float(cube["swap_change"].sel(net="dense, order-blind").max()) < 1e-12
    np.testing.assert_allclose(cube["coefficient"].sel(net="RNN"), [[-1, 2]] * 2, atol=1e-5)
    np.testing.assert_allclose(
        cube["coefficient"].sel(net="RNN, reversed"), [[2, -1]] * 2, atol=1e-5
    )


def test_the_slides_grid_has_the_wrong_and_the_expected_point(cube):
    answer = cube["deck_answer"].sel(deck="test")
    np.testing.assert_allclose(answer.sel(net="RNN, reversed"), 0, atol=1e-4)
    np.testing.assert_allclose(answer.sel(net="RNN"), 3, atol=1e-4)
    blind = answer.sel(net="ANN, order-blind")
    np.testing.assert_allclose(blind, 1.5, atol=0.2)  # the middle, as far as 512 pairs tell


@pytest.mark.parametrize(
    ("claim", "variable", "where"),
    [
        ("ANN, order-blind: squared error", "point_error", {"net": "ANN, order-blind"}),
        ("RNN: w_n", "recurrent_weight", {}),
        ("RNN: loss after 100 updates", "chain_loss", {"update": 100}),
        ("slides' test cells, RNN", "deck_answer", {"deck": "test", "net": "RNN"}),
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
        (["--n-chain-updates", "5"], "n_chain_updates: expected a number greater"),
        (["--n-pairs", "7"], "n_pairs: "),
    ],
)
def test_bad_input_is_one_line(flags, message, capsys):
    assert main(["plan", "radar_points", *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
