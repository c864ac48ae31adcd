"""Online training in quick mode, and its claims against cubes that are wrong."""

import json
import tomllib

import jax
import numpy as np
import pytest
import xarray as xr

from rnnjax.cli import main
from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "online_training"
FINAL_LOSS = {"add": 0.47, "digits": 0.6, "delayed_xor": 0.1}
TASKS = tuple(FINAL_LOSS)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def as_it_should_be(**changed):
    """A cube of a whole sweep: RTRL and BPTT learn, RFLO does not; `changed` by case."""
    loss, solved = {}, {}
    for rule in ("bptt", "rtrl", "rflo", "tbptt_1"):
        behind = rule not in ("bptt", "rtrl")
        for task, final in FINAL_LOSS.items():
            loss[f"{task}/{rule}"] = final + 0.1 * behind
        loss[f"copy/{rule}"], solved[f"copy/{rule}"] = 0.1, 2.0 if behind else 8.0
    loss |= {name: value for name, value in changed.items() if name in loss}
    solved |= {name: value for name, value in changed.items() if name.startswith("copy")}
    cases = list(loss)
    # Of two rates the second is the worse one, and no claim may take it.
    worse = np.array([0.0, 1.0])[None, :, None]
    seeds = np.arange(3) * 1e-4
    by_run = np.array([loss[name] for name in cases])[:, None, None] + worse + seeds
    delays = np.array([solved.get(name, 0.0) for name in cases])[:, None, None] - worse
    axes = ("case", "learning_rate", "seed")
    curves = np.repeat(by_run[..., None], 8, axis=3)
    config = {"n_points": 8, "longer": 5, "leak": 1.0, "batch_size": 4}
    return xr.Dataset(
        {
            "loss": ((*axes, "point"), curves),
            "delay": ((*axes, "point"), np.ones_like(curves)),
            "solved": (axes, np.broadcast_to(delays, by_run.shape)),
        },
        coords={
            "case": cases,
            "task": ("case", [name.split("/")[0] for name in cases]),
            "rule": ("case", [name.split("/")[1] for name in cases]),
        },
        attrs={"config": json.dumps(config)},
    )


def test_every_claim_holds(cube):
    assert cube["loss"].dims == ("case", "learning_rate", "seed", "point")
    assert len(verdicts(NAME, cube)) == 1
    assert not failed(NAME, cube)


def test_copy_can_be_traced():
    """The curriculum with a network and a rule, without running it."""
    experiment = load(NAME)
    setting = experiment.setting(task="copy", rule="tbptt_4", n_points=2, n_h=3)
    out = jax.eval_shape(lambda: experiment.measure(setting, experiment.shared(setting)))
    assert {name: leaf.shape for name, leaf in out.items()} == {
        "loss": (2,), "delay": (2,), "solved": ()
    }  # fmt: skip


def test_losses_are_those_of_the_steps_that_count(cube):
    """Before anything is learned the loss is near chance, ln 2."""
    first = cube["loss"].sel(case="delayed_xor/rflo").isel(point=0)
    np.testing.assert_allclose(first, np.log(2), atol=0.15)


def test_a_sweep_that_is_as_it_should_be_passes():
    assert len(verdicts(NAME, as_it_should_be())) == 11
    assert not failed(NAME, as_it_should_be())


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("RFLO without leak", {"add/tbptt_1": 0.58}),
        *[(f"{task}, BPTT", {f"{task}/bptt": 1.5}) for task in TASKS],
        *[(f"{task}, RTRL", {f"{task}/rtrl": 1.5}) for task in TASKS],
        *[(f"{task}: loss of RFLO", {f"{task}/rflo": 0.01}) for task in TASKS],
        ("copy: longest delay", {"copy/rflo": 8.0}),
    ],
)
def test_each_claim_can_fail(claim, changed):
    assert any(told.startswith(claim) for told in failed(NAME, as_it_should_be(**changed)))


def test_a_cube_of_nan_fails_every_claim():
    cube = as_it_should_be()
    nothing = cube.assign(loss=cube["loss"] * np.nan, solved=cube["solved"] * np.nan)
    assert not any(verdicts(NAME, nothing).values())


def test_the_answer_tells_how_many_rules_learn_and_which_is_first():
    cube = as_it_should_be(**{"add/bptt": 0.6})
    cube["loss"].loc[{"case": "add/rtrl", "point": slice(0, 3)}] = 0.6  # below from the fourth on
    told = (
        "Add task, lags 2 and 5: 1 of 4 rules learn it in 2,400 sequences, RTRL first, after 1,200."
    )
    assert load(NAME).answer(cube).startswith(told)


def test_more_rules_than_curves_have_a_row_each(monkeypatch):
    figure = load(NAME).figure
    monkeypatch.setitem(figure.__globals__, "_MOST_CURVES", 3)
    with styled():
        rows = figure(as_it_should_be())
    labels = [tick.get_text() for tick in rows.axes[0].get_yticklabels()]
    assert labels == ["BPTT", "RTRL", "truncated BPTT, $K$ = 1", "RFLO"]


def test_the_figure_has_a_panel_for_every_task_of_the_cube():
    experiment, cube = load(NAME), as_it_should_be()
    with styled():
        whole = experiment.figure(cube)
        part = experiment.figure(cube.sel(case=["add/rtrl", "copy/rtrl", "copy/rflo"]))
    assert [len(drawn.axes) for drawn in (whole, part)] == [4, 2]
    assert [len(ax.lines) for ax in part.axes] == [4, 2]  # curves and floors


@pytest.mark.parametrize(
    ("task", "rule", "key", "message"),
    [
        ("adding", "rtrl", "task", "expected 'add', 'copy'"),
        ("add", "rtrll", "rule", "(did you mean 'rtrl'?)"),
        ("digits", "tbptt_14", "rule", "expected a window that divides T = 8"),
    ],
)
def test_a_case_that_cannot_be_is_one_line(task, rule, key, message, capsys):
    flags = ["--axes.case.task", task, "--axes.case.rule", rule]
    assert main(["plan", NAME, *flags]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and key in told and message in told


def test_the_standard_sweep_has_every_rule():
    experiment = load(NAME)
    case = tomllib.loads(experiment.toml().read_text())["axes"]["case"]
    cases = {*zip(case["task"], case["rule"], strict=True)}
    rules = {rule for rule in experiment.measure.__globals__["_ARMS"] if "tbptt" not in rule}
    assert cases >= {("delayed_xor", rule) for rule in rules}
