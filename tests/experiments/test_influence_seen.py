"""What rules see of influence balancing in quick mode, and the claims against wrong cubes."""

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "influence_seen"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["sensitivity_after"].dims == ("rule", "step", "draw")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 5
    assert not failed(NAME, cube)


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("bptt: c_K", plus("sensitivity_after", 1e-11, rule="BPTT", step=77)),
        ("bptt: longest window", plus("sensitivity_after", 1.0, rule="BPTT", step=41)),
        ("bptt: longest window", plus("sensitivity_after", -1.0, rule="BPTT", step=40)),
        ("eprop: ds/dtheta after t", plus("sensitivity_after", 1e-11, rule="EProp", step=3)),
        ("RTRL: ds/dtheta in the long", plus("sensitivity_at_last", 1e-8, rule="RTRL")),
        ("EProp: ds/dtheta in the long", plus("sensitivity_at_last", 1e-8, rule="EProp")),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_a_cube_of_nan_fails_every_claim(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    assert not [name for name, passed in verdicts(NAME, nothing).items() if passed]


def test_claims_and_figure_stand_on_other_axes(cube):
    some = cube.sel(rule=["EProp"]).isel(step=slice(0, 20))
    assert not failed(NAME, some) and len(verdicts(NAME, some)) == 2
    load(NAME).figure(some)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n-positive", "24"], "n_positive: expected at most n_states = 23"),
        (["--n-states", "20"], "n_positive: expected another number than half"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(flags, message, capsys):
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told
