"""The main experiment in quick mode, and its claims against cubes that are wrong."""

import sys

import numpy as np
import pytest

from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("gradient_norms")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep with orthogonal weights on white noise, by the command line."""
    flags = ["--task", "white_noise", "--length", "40", "--weights", "orthogonal"]
    return quick_cube("gradient_norms", tmp_path_factory.mktemp("sweep") / "out", *flags)


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["log_norm"].dims == ("activation", "gain", "seed", "lag")
    assert cube["log_norm_by_length"].dims == ("activation", "gain", "seed", "length")
    assert cube["horizon"].dims == ("activation", "gain", "seed")
    assert set(np.unique(cube["log_norm_status"])) == {1}
    assert cube["lag"].values[-1] == cube["length"].values[-1] == 40


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 5
    assert all(verdicts(cube).values())


def test_the_bound_holds_in_every_cell(cube):
    rise = cube["log_norm"] - cube["log_norm"].isel(lag=0)
    bound = cube["lag"] * np.log(cube["max_slope"] * cube["largest_singular_value"])
    assert float((rise - bound - 1e-6 * cube["lag"]).max()) <= 1e-6


def test_linear_and_sigmoid_do_what_theory_says(cube):
    linear = cube["growth_rate"].sel(activation="identity")
    np.testing.assert_allclose(linear - np.log(cube["gain"]), 0, atol=1e-5)
    assert float(cube["growth_rate"].sel(activation="sigmoid").max()) < np.log(2 / 4) + 1e-6


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("largest excess over the bound", lambda c: c["log_norm"] + 1e-4 * c["lag"]),
        ("backward against forward", lambda c: c["log_norm"] * 1.001),
        ("identity: log-norm minus k ln g", lambda c: c["log_norm"] + 1e-4 * c["lag"] * c["gain"]),
        ("identity: |late growth rate", lambda c: c["log_norm"] + 0.1 * c["lag"]),
        ("identity: log-norm against k ln g", lambda c: c["log_norm"] + 1e-5 * c["lag"]),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    spoilt = cube.assign(log_norm=spoil(cube).transpose(*cube["log_norm"].dims))
    failed = [name for name, passed in verdicts(spoilt).items() if not passed]
    assert any(name.startswith(claim) for name in failed)


def test_a_cube_of_nan_fails_every_claim(cube):
    nothing = cube.assign(
        log_norm=cube["log_norm"] * np.nan, growth_rate=cube["growth_rate"] * np.nan
    )
    assert not any(verdicts(nothing).values())


def test_cells_whose_states_overflowed_are_data_and_fail_nothing(cube):
    loud = cube["gain"] > 1.5
    at = {
        "log_norm": cube["log_norm"].where(~loud | (cube["activation"] != "relu")),
        "first_non_finite_step": cube["first_non_finite_step"].where(~loud, 7),
    }
    spoilt = cube.assign({k: v.transpose(*cube[k].dims) for k, v in at.items()})
    assert np.isnan(spoilt["log_norm"]).any()
    assert all(verdicts(spoilt).values())


def test_digits_without_scikit_learn_are_one_line_that_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["plan", "gradient_norms"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "task: " in told and "rnnjax[data]" in told
    assert main(["plan", "gradient_norms", "--task", "white_noise"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--axes.activation", "tahn"], "axes.activation: "),
        (["--axes.gain", "nan"], "axes.gain: "),
        (["--axes.gain", "[]"], "axes.gain: "),
        (["--length", "-5"], "length: "),
        (["--length", "100"], "length: expected 64, the pixels of a digit"),
        (["--n-hh", "3"], "n_hh: unknown key"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(flags, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main(["run", "gradient_norms", *flags]))
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert told.count("\n") == 1 and message in told
    assert not list(tmp_path.iterdir())
