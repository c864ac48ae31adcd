"""Influence balancing in quick mode, its claims against cubes that are wrong, and its network."""

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from rnnjax.theory import influence_balancing as theory
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "influence_balancing"
EXPERIMENT = load(NAME)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["theta"].dims == ("rule", "window", "update", "draw")
    assert cube["theta_end"].dims == cube["sensitivity"].dims == ("rule", "window", "draw")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 15
    assert not failed(NAME, cube)


def test_the_sign_is_wrong_up_to_40_and_right_from_41(cube):
    sign = cube["sensitivity_sign"].isel(draw=0)
    assert sign.sel(rule="BPTT").values.tolist() == [1, 1, 1, -1, -1]
    assert set(sign.sel(rule="RTRL").values) == {-1}
    assert set(sign.sel(rule="EProp").values) == {1}


def run_away(cube, **where):
    end = cube["theta_end"].copy()
    end.loc[where] = 9.0
    return cube.assign(theta_end=end)


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("bptt: theta against", plus("theta", 1e-8, rule="BPTT", window=10, update=200)),
        ("rtrl: theta against", plus("theta", 1e-8, rule="RTRL", window=100, update=1)),
        ("eprop: theta against", plus("theta", 1e-8, rule="EProp", window=1, update=50)),
        ("bptt, K < 41", plus("theta_end", -0.3, rule="BPTT", window=1)),
        ("bptt, K >= 41", lambda cube: run_away(cube, rule="BPTT", window=41)),
        ("rtrl: ds/dtheta", plus("sensitivity", 1e-8, rule="RTRL", window=10)),
        ("eprop: ds/dtheta in", plus("sensitivity", 1e-8, rule="EProp", window=100)),
        ("bptt, K = 10: theta after 100", plus("theta", 2e-6, rule="BPTT", window=10, update=100)),
        ("rtrl, K = 1: theta after 1 ", plus("theta", 2e-7, rule="RTRL", window=1, update=1)),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def stochastic(cube, rule, sensitivity=0.0, distance=0.1):
    """A cube of a stochastic rule that ends at some distance from theta*."""
    one = cube.sel(rule=["RTRL"]).assign_coords(rule=[rule]).isel(draw=[0] * 12)
    zeros = 0 * one["sensitivity"]
    noise = np.random.default_rng(0).choice([-1.0, 1.0], zeros.shape)
    return one.assign(theta_end=zeros - 1 / 6 + distance, sensitivity=zeros + sensitivity * noise)


def test_claims_on_stochastic_rules_can_hold_and_fail(cube):
    assert not failed(NAME, stochastic(cube, "UORO"))
    assert failed(NAME, stochastic(cube, "UORO", distance=0.7))
    many = stochastic(cube, "NodePerturbation", sensitivity=0.0).isel(window=[0] * 5)
    size = theory.output_variance(23) ** 0.5 * (23 * 200) ** 0.5
    noise = np.random.default_rng(0).choice([-size, size], many["sensitivity"].shape)
    good = many.assign(sensitivity=0 * many["sensitivity"] + noise)
    assert len(verdicts(NAME, good)) == 1 and not failed(NAME, good)
    assert failed(NAME, many.assign(sensitivity=2 * good["sensitivity"]))


def test_a_cube_of_nan_fails_every_claim(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    assert not [name for name, passed in verdicts(NAME, nothing).items() if passed]


def test_claims_and_figure_stand_on_other_axes(cube):
    some = cube.sel(rule=["EProp"], window=[40])
    assert not failed(NAME, some) and len(verdicts(NAME, some)) == 2
    EXPERIMENT.figure(some)
    EXPERIMENT.figure(stochastic(cube, "UORO"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-positive", "24"], "n_positive: expected at most n_states = 23"),
        (["--n-states", "20"], "n_positive: expected another number than half"),
        (["--axes.rule", "snap0"], "axes.rule: "),
        (["--axes.window", "0"], "axes.window: "),
        (["--axes.window", "101"], "window: expected at most longest = 100"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(flags, message, capsys):
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
