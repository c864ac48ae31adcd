"""Radar frames in quick mode, and the claims against cubes that are wrong."""

from itertools import pairwise

import jax
import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("radar_frames")
VARIABLES = ("frame_error", "success_index", "frame_direction", "example")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep, by the command line."""
    return quick_cube("radar_frames", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["frame_error"].dims == ("noise", "seed", "forecast")
    assert cube["example"].dims == ("noise", "seed", "film", "frame", "row", "column")
    assert set(VARIABLES) == {str(name) for name in cube.data_vars if not name.endswith("_status")}
    for name in VARIABLES:
        assert set(np.unique(cube[f"{name}_status"])) == {1}, name


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 14
    assert all(verdicts(cube).values())


def test_every_claim_can_fail(cube):
    failed = {}
    for name in VARIABLES:
        for changed in (1.2 * cube[name] + 0.1, 0.7 * cube[name] - 0.1):
            spoilt = verdicts(cube.assign({name: changed}))
            failed |= {claim: name for claim, passed in spoilt.items() if not passed}
    assert set(failed) == set(verdicts(cube))
    assert set(failed.values()) == set(VARIABLES) - {"example"}


def test_a_cube_of_nan_fails_every_claim(cube):
    nothing = {name: cube[name] * np.nan for name in VARIABLES}
    assert not any(verdicts(cube.assign(nothing)).values())


def test_the_rnn_forecasts_frames_better_than_anything_blind_to_their_order(cube):
    error = cube["frame_error"].max(["noise", "seed"])
    best = min(float(error.sel(forecast=f"order-blind{end}")) for end in ("", ", all frames"))
    assert float(error.sel(forecast="RNN")) < 0.9 * best
    assert float(error.sel(forecast="RNN, reversed")) > float(error.sel(forecast="zero"))


def test_the_example_shows_the_truth_in_motion(cube):
    truth = cube["example"].sel(film="truth").isel(noise=0, seed=0).values
    for before, after in pairwise(truth):
        np.testing.assert_allclose(np.roll(before, (1, 2), (0, 1)), after, atol=1e-5)
    halves = cube["example"].sel(film="order-blind").isel(noise=0, seed=0).values
    assert 0.3 < halves.max() < 0.6


@pytest.mark.parametrize(
    ("claim", "variable", "where"),
    [
        ("frames, order-blind: squared error", "frame_error", {"forecast": "order-blind"}),
        ("frames, RNN: right directions", "frame_direction", {"forecast": "RNN"}),
    ],
)  # fmt: skip
def test_a_claim_fails_by_the_number_that_it_names_in_a_single_run(cube, claim, variable, where):
    spoilt = cube[variable].copy(deep=True)
    sign = -1 if "right directions" in claim else 1
    spoilt.loc[{"seed": 1, **where}] += sign * 0.05
    found = verdicts(cube.assign({variable: spoilt}))
    assert not found[claim]
    assert sum(not passed for passed in found.values()) <= 2


def test_noise_that_was_not_swept_leaves_its_claims_out(cube):
    loud = cube.assign_coords(noise=[0.3])
    assert len(verdicts(loud)) == 0
    assert EXPERIMENT.figure(loud) is not None


def test_noise_is_claimed_to_hurt_advection_more_where_training_was_long(cube):
    attributes = cube.attrs | {
        "config": cube.attrs["config"]
        .replace('"n_updates":300', '"n_updates":1000')
        .replace('"n_updates": 300', '"n_updates": 1000')
    }
    loud = cube.assign_coords(noise=[0.3]).assign_attrs(attributes)
    found = verdicts(loud)
    (name,) = set(found) - set(verdicts(cube.assign_coords(noise=[0.3])))
    assert name.startswith("frames with noise") and not found[name]


@pytest.mark.wide
def test_harder_motion_gives_the_same_variables():
    motion = {"whole_steps": False, "growth": 0.1, "wander": 0.05, "n_blobs": 2}
    changes = {**motion, "length": 3, "side": 8, "width": 1.0, "n_test": 24}
    data = {"axes": {"noise": [0.1], "seed": [0]}, "n_updates": 2, "n_h": 8, **changes}
    config = parse_config(EXPERIMENT.setting, data)

    def lane(noise, seed):
        setting = config.setting({"noise": noise, "seed": seed})
        return EXPERIMENT.measure(setting, EXPERIMENT.shared(setting))

    with jax.numpy_rank_promotion("allow"):
        shapes = jax.eval_shape(lane, 0.1, 0)
    coordinates, declared = EXPERIMENT.coordinates(config.fixed), EXPERIMENT.variables(config.fixed)
    expected = {
        name: tuple(len(coordinates[dim]) for dim in variable.dims)
        for name, variable in declared.items()
    }
    assert {name: shape.shape for name, shape in shapes.items()} == expected


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-test", "23"], "n_test: "),
        (["--axes.noise", "-0.1"], "axes.noise: "),
    ],
)
def test_bad_input_is_one_line(flags, message, capsys):
    assert main(["plan", "radar_frames", *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
