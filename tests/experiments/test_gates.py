"""Gates in quick mode, and their claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from rnnjax.theory import gates
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "gates"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["log_norm"].dims == ("cell", "forget_bias", "gain", "seed", "initial", "lag")
    assert cube["renewal_time"].dims == ("cell", "forget_bias", "gain", "seed", "unit")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 14
    assert not failed(NAME, cube)


def test_closed_gates_have_the_mean_that_their_bias_says(cube):
    expected = gates.log_forget_factor(cube["forget_bias"].values)
    shut = cube["gate_rate"].sel(gain=0.0).transpose(..., "forget_bias")
    np.testing.assert_allclose(shut, np.broadcast_to(expected, shut.shape), rtol=1e-12)


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        (
            "lstm, g = 0, b = 1: half",
            plus("rate", 1e-4, cell="lstm", forget_bias=1.0, gain=0.0, seed=1),
        ),
        ("gru, g = 0, b = 5: half", plus("rate", 1e-7, cell="gru", forget_bias=5.0, gain=0.0)),
        ("lstm, g = 0: fall", plus("log_norm", 1e-6, cell="lstm", gain=0.0, lag=20)),
        ("gru, g = 0: fall", plus("log_norm", 1e-6, cell="gru", gain=0.0, lag=20)),
        ("chrono, g = 0", plus("renewal_time", 1e-6)),
        ("chrono: mean", plus("chrono_time", 9.0)),
        ("lstm, g >= 1", plus("gate_rate", 1.0, cell="lstm")),
        ("gru, g >= 1", plus("gate_rate", 1.0, cell="gru")),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_a_gradient_that_does_not_grow_fails_its_claim(cube):
    name = "lstm, b = 5, g = 2: rate of the whole gradient"
    louder = cube.assign_coords(gain=[0.0, 2.0])
    grows = louder.assign(rate=louder["rate"] * 0 + 0.01)
    falls = louder.assign(rate=louder["rate"] * 0 - 0.01)
    assert verdicts(NAME, grows)[name] and not verdicts(NAME, falls)[name]


def test_claims_and_figure_stand_on_other_axes(cube):
    some = cube.sel(cell=["gru"], gain=[1.0], forget_bias=[3.0]).isel(seed=[0])
    assert set(verdicts(NAME, some)) == {"gru, g >= 1: mean ln of the gate minus ln s(b), largest"}
    load(NAME).figure(some)
    load(NAME).figure(cube.sel(gain=[0.0]))
