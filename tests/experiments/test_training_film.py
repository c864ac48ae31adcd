"""The training film in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.errors import ConfigError
from rnnjax.figures import styled
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "training_film"
TRUNCATED = "BPTT(window=3)"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def as_it_should_be(cube):
    """The quick cube as if it were a long training in which memory was built."""
    long = cube.assign_coords(update=[0, 1500]).copy(deep=True)
    for name, values in {
        "accuracy": [0.25, 0.98], "horizon": [3.0, 10.0], "log_radius": [-0.2, 0.3],
    }.items():  # fmt: skip
        long[name].loc[{}] = np.broadcast_to(values, long[name].shape)
    long["exponents"].loc[{"index": 1}] = [[[-0.5, -0.1]] * 2]
    long["mean_log_det"].loc[{}] = (
        long["exponents"].sum("index").transpose(*long["mean_log_det"].dims)
    )
    long["cosine"].loc[{"rule": TRUNCATED}] = [[[0.9, 0.3]] * 2]
    return long


def test_dims_and_status(cube):
    assert cube["log_norm"].dims == ("cell", "seed", "update", "lag")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 3
    assert not failed(NAME, cube)


def test_a_training_that_is_as_it_should_be_passes(cube):
    assert len(verdicts(NAME, as_it_should_be(cube))) == 9
    assert not failed(NAME, as_it_should_be(cube))


@pytest.mark.parametrize(
    ("claim", "name", "where", "value"),
    [
        ("sum of all", "mean_log_det", {"seed": 1, "update": 0}, 9.0),
        ("ln ||dL/dh||", "log_readout", {"seed": 1, "update": 0}, 9.0),
        ("RTRL", "cosine", {"rule": "RTRL", "update": 0}, 0.999),
        ("vanilla: test accuracy", "accuracy", {"update": 1500}, 0.5),
        ("vanilla: horizon", "horizon", {"update": 1500}, 4.0),
        ("vanilla: |lambda_1|", "exponents", {"index": 1, "update": 1500}, 0.9),
        ("vanilla: spectral radius at the end, least", "log_radius", {"update": 1500}, -0.1),
        ("vanilla: spectral radius at the end minus", "log_radius", {"update": 1500}, -0.3),
        ("vanilla: cosine of BPTT over", "cosine", {"rule": TRUNCATED, "update": 1500}, 0.9),
    ],
)
def test_each_claim_can_fail(cube, claim, name, where, value):
    spoilt = as_it_should_be(cube)
    spoilt[name].loc[where] = value
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


def test_a_film_of_one_network_has_two_strips_and_its_curves(cube):
    with styled():
        drawn = load(NAME).figure(cube.isel(seed=[0]))
    frames = 2
    assert len(drawn.axes) == 2 * frames + 6


def test_a_rule_that_is_not_there_is_refused():
    axes = {"cell": ["vanilla"], "seed": [0]}
    with pytest.raises(ConfigError, match=r"rules.*: expected one of BPTT, .* mean 'RTRL'"):
        parse_config(load(NAME).setting, {"axes": axes, "rules": ["RTRL", "RTRLL"]})
