"""The chain of one neuron in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax import sweep
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, quick_cube

EXPERIMENT = load("one_neuron")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube("one_neuron", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["log_coefficient"].dims == ("activation", "w_n", "lag")
    assert cube["horizon"].dims == ("activation", "w_n")
    assert cube.sizes["lag"] == 51
    assert_computed(cube, or_beyond=True)


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 33
    assert all(verdicts(cube).values())


def plus(name, amount, **where):
    """Add to a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = spoilt.loc[where] + amount
        return spoilt

    return name, spoil


TANH_2 = {"activation": "tanh", "w_n": 2.0}
LINE = {"activation": "identity"}


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("largest excess", plus("log_coefficient", 40.0, activation="sigmoid", w_n=0.9)),
        ("identity: ln|dy", plus("log_coefficient", 1e-3, **LINE, w_n=2.0)),
        ("identity: signs", plus("sign", -1, **LINE, w_n=-1.5, lag=2)),
        ("identity: |ln| of the newest", plus("log_coefficient", 1e-3, **LINE)),
        ("identity, w_n = -1.5: oldest", plus("log_coefficient", 1e-3, **LINE, lag=50)),
        ("identity, w_n = 0.9: 1 % horizon", plus("log_coefficient", 1.0, **LINE, lag=50)),
        ("identity, w_n = 0.9: first lag", plus("horizon", 1, **LINE)),
        ("identity, w_n = 0.9: share of the newest", plus("log_coefficient", 1.0, lag=0)),
        ("identity, w_n = 1.1: share of the oldest ten", plus("log_coefficient", 3.0, lag=49)),
        ("identity, w_n = 1: mean lag", plus("log_coefficient", 1.0, lag=49)),
        ("tanh: fastest", plus("growth_rate_random", 2.0, activation="tanh")),
        ("sigmoid: fastest", plus("growth_rate_random", 2.0, activation="sigmoid")),
        ("relu, active paths", plus("log_coefficient_random", 1e-3, activation="relu")),
        ("tanh, w_n = 2: log10", plus("growth_rate_random", 0.1, **TANH_2)),
        ("relu, w_n = 1.1: share", plus("share_active", 0.2, activation="relu")),
    ],
)
def test_each_claim_can_fail(cube, claim, change):
    name, spoil = change
    failed = [
        name for name, passed in verdicts(cube.assign({name: spoil(cube)})).items() if not passed
    ]
    assert any(name.startswith(claim) for name in failed)


def test_a_cube_of_nan_passes_nothing_that_was_measured(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    held = [name for name, passed in verdicts(nothing).items() if passed]
    assert all("signs" in name for name in held)


def test_claims_and_figure_stand_on_other_axes(cube):
    """One activation and no weight that the slides speak of: what cannot be said is left out."""
    some = cube.isel(w_n=[0, 3, -1]).sel(activation=["tanh"]).isel(lag=slice(0, 20))
    assert all(verdicts(some).values())
    assert len(verdicts(some)) < 8
    EXPERIMENT.figure(some)
    assert len(verdicts(cube.sel(activation=["relu", "identity"], w_n=[0.5, 0.9]))) > 10


@pytest.mark.wide
@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_exact_claims_hold_at_any_weight(size):
    weights = [size, -size]
    found = sweep.run("one_neuron", config="quick", w_n=weights, progress=False)
    assert verdicts(found) and all(verdicts(found).values())
