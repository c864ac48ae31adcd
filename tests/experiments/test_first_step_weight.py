"""Weightings of steps in quick mode, and their claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("first_step_weight")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube("first_step_weight", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_status_and_shares(cube):
    assert cube["share"].dims == ("seed", "network", "rule", "step")
    assert cube["share_training"].dims == ("seed", "update", "step")
    assert cube["update"].values[-1] == 300
    for name in ("share", "share_ratio", "share_online", "share_training", "share_loop"):
        assert set(np.unique(cube[f"{name}_status"])) == {1}
        np.testing.assert_allclose(cube[name].sum("step"), 1, atol=1e-5)


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 24
    assert all(verdicts(cube).values())


def test_cycle_0_is_the_untrained_network_and_training_lowers_the_loss(cube):
    frozen = cube["share"].sel(network="data pairs", rule="local")
    np.testing.assert_array_equal(cube["share_training"].sel(update=0), frozen)
    first, last = cube["loss"].isel(update=0), cube["loss"].isel(update=-1)
    assert bool((last < first).all()) and float(last.mean() / first.mean()) < 0.1


def plus(name, amount, **where):
    """Add to a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = spoilt.loc[where] + amount
        return spoilt

    return name, spoil


PAIRS = {"network": "data pairs", "rule": "local"}


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("equal steps, local", plus("share", 1e-4, network="equal steps", rule="local", step=2)),
        ("linear loop: shares", plus("share_loop", 1e-4, step=3)),
        ("linear loop, g = 1.5", plus("share_loop", 1e-2, gain=1.5)),
        ("linear loop, g = -0.8: step", plus("share_loop", 0.3, gain=-0.8, step=3)),
        ("one error at the end, w_n = 0.5", plus("share_last", 0.1, w_n=0.5)),
        ("one error at the end, w_n = 1.5", plus("share_last", 0.1, w_n=1.5)),
        ("eligibility ratio", plus("share_ratio", 1e-3, step=2)),
        ("data pairs, frozen: P", plus("share", 0.5, **PAIRS, step=4)),
        ("data pairs, frozen: share", plus("share", -0.2, **PAIRS, step=1)),
        ("data pairs, start", plus("error", 1.0, step=5)),
        ("data pairs: what delta-x", plus("share", 0.1, rule="delta-x")),
        ("data pairs: mean |loop", plus("loop_gain", 1.0)),
        ("strong loop", plus("share", 0.1, network="strong loop", rule="local")),
        ("literal ratio", plus("share_ratio", 1.0, multiplier="literal", step=1)),
        ("safeguarded ratio", plus("share_ratio", 1.0, multiplier="safeguarded", step=1)),
        ("update after every step", plus("share_online", -0.5, online_rate=2.0, step=1)),
        ("equal steps, eta = 5: P", plus("share_online", 1.0, data="equal steps", step=2)),
        ("equal steps, eta = 5: share", plus("share_online", -0.5, data="equal steps", step=1)),
        ("equal steps, eta = 0.1", plus("share_online", 0.1, data="equal steps", step=1)),
        ("after 300 training", plus("share_training", 1.0, update=300, step=1)),
    ],
)
def test_each_claim_can_fail(cube, claim, change):
    name, spoil = change
    found = verdicts(cube.assign({name: spoil(cube)}))
    assert any(name.startswith(claim) for name, passed in found.items() if not passed)


def test_claims_and_figure_stand_on_few_seeds(cube):
    few = cube.isel(seed=[0, 1])
    assert len(verdicts(few)) == 11 and all(verdicts(few).values())
    EXPERIMENT.figure(few)
