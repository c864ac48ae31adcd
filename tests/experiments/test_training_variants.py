import numpy as np
import pytest

from rnnjax import decks
from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "training_variants"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def long_enough(cube, **losses):
    """The cube as if it came from a whole sweep, so that every claim is made."""
    config = cube.attrs["config"].replace('"n_updates": 10', '"n_updates": 150')
    assert config != cube.attrs["config"]
    return cube.assign(losses).assign_attrs(config=config)


def with_factors(cube, **factors):
    """Losses that are the reference's, times a factor for some arms."""
    loss = cube["loss"].sel(arm=["dx"]).squeeze("arm", drop=True).expand_dims(arm=cube["arm"])
    for arm, factor in factors.items():
        loss = loss.where(loss["arm"] != arm, loss * factor)
    return long_enough(cube, loss=loss.transpose(*cube["loss"].dims))


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 1
    assert not failed(NAME, cube)


def test_every_arm_trains_every_case_from_one_start(cube):
    assert cube["loss"].dims == ("case", "gain", "seed", "arm", "learning_rate")
    least = cube["loss"].min("learning_rate").sel(arm="dx")
    assert bool((least < cube["start_loss"]).all())
    at = cube["loss"].isel(case=0, gain=0, seed=0, learning_rate=0)
    apart = at.sel(arm=["rnn", "dx", "et_dx_safe", "matched", "momentum", "rprop"]).values
    assert len(np.unique(apart)) == len(apart)
    # Where only the last step has a loss, the local rule has one step and nothing to scale.
    np.testing.assert_allclose(at.sel(arm="et_safe"), at.sel(arm="rnn"), rtol=1e-5)


@pytest.mark.parametrize(
    ("claim", "factors"),
    [
        ("literal ratio", {"et_literal": 0.5}),
        ("log10 loss of a plain step", {"matched": 2.0}),
        ("rnn without delta x", {"rnn": 0.5}),
        ("Rprop", {"rprop": 2.0}),
    ],
)
def test_each_claim_can_fail(cube, claim, factors):
    assert any(told.startswith(claim) for told in failed(NAME, with_factors(cube, **factors)))
    assert not failed(NAME, with_factors(cube))


@pytest.mark.parametrize(
    ("case", "key", "message"),
    [
        (("addding", "10", "tanh"), "case.task", "expected 'data_pairs', 'adding'"),
        (("adding", "ten", "tanh"), "case.length", "expected a list"),
        (("adding", "10", "tahn"), "case.activation", "(did you mean 'tanh'?)"),
        (("adding", "1", "tanh"), "length", "at least 2"),
        (("temporal_order", "9", "tanh"), "length", "at least 10"),
        (("digits", "10", "tanh"), "length", "8 or 64"),
    ],
)
def test_a_case_that_cannot_be_is_one_line(case, key, message, capsys):
    names = ("task", "length", "activation")
    flags = [f"--axes.case.{name}={value}" for name, value in zip(names, case, strict=True)]
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and key in told and message in told


def test_the_arms_are_those_of_the_slides_and_their_controls():
    arms = load(NAME).coordinates(None)["arm"]
    assert [*arms] == [*decks.variants.ARMS]
    assert {"rnn", "et_literal", "dx", "et_dx_safe", "matched", "momentum", "rprop"} <= set(arms)
