"""The dinner experiment in quick mode, its claims against cubes that are wrong, and its figure."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import rnnjax
from rnnjax.cli import main
from rnnjax.sweep.experiment import load
from tests.experiments.quick import quick_cube

EXPERIMENT = load("dinner")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A quick sweep by the command line."""
    return quick_cube("dinner", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def failed(cube):
    return [name for name, passed in verdicts(cube).items() if not passed]


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 25
    assert failed(cube) == []


def test_dims(cube):
    assert cube["prediction"].dims == ("seed", "gain", "last_known", "night", "dinner")
    assert cube["log_margin"].dims == ("seed", "squashing", "gain", "late_night")
    assert list(cube["late_night"].values) == [15, 200]
    assert tuple(cube["dinner"].values) == rnnjax.decks.tasks.dinner.DINNERS


def test_statuses(cube):
    beyond = {"forgotten", "trained_wrong"}
    for name in cube.data_vars:
        if str(name).endswith("_status"):
            codes = {1, 6} if str(name).removesuffix("_status") in beyond else {1}
            assert set(np.unique(cube[name])) <= codes
    assert set(np.unique(cube["forgotten_status"])) == {1, 6}


@pytest.mark.parametrize(
    ("n_missed", "dinner"),
    [(0, "sushi"), (1, "waffles"), (2, "pizza"), (13, "waffles"), (14, "pizza"), (15, "sushi")],
)
def test_unrolled_predictions_after_pizza(cube, n_missed, dinner):
    for predicted in (cube["prediction"], cube["trained"]):
        after = predicted.sel(last_known="pizza", night=n_missed + 1)
        said = after.argmax("dinner").values
        assert set(cube["dinner"].values[said].ravel()) == {dinner}


def spoilt(cube, name, change, **at):
    """The cube with one variable changed at one place."""
    values = cube[name].copy()
    values.loc[at] = change(values.loc[at])
    return cube.assign({name: values})


MARGINS = [
    (f"tanh, gain {k:g}: log10 margin on night {n}", "log_margin", lambda v: v + 0.3, {"gain": k})
    for k in (0.5, 0.9, 1.0, 1.1, 2.0)
    for n in (15, 200)
]


@pytest.mark.parametrize(
    ("claim", "variable", "change", "at"),
    [
        ("dinner from last night's", "prediction", lambda v: -v, {"night": 1}),
        ("dinner from that of two", "prediction", lambda v: -v, {"night": 2}),
        ("dinners of nights 1 to 16", "prediction", lambda v: -v, {"night": 7}),
        ("14 missed nights", "prediction", lambda v: -v, {"night": 15}),
        *MARGINS,
        ("tanh: ln margin against", "log_margin", lambda v: v + 0.01, {"gain": 4.5}),
        ("logistic(kz): ln margin a night", "log_margin", lambda v: 0 * v, {"gain": 2.0}),
        ("logistic(kz), gain 0.9 to 4.5", "forgotten", lambda v: v + 90, {"gain": 2.0}),
        ("logistic(6z - 3)", "log_margin", lambda v: v - 0.01, {"gain": 1.0}),
        ("tanh, gain above 1", "forgotten", lambda v: xr.full_like(v, 80), {"gain": 2.0}),
        ("trained: first night", "trained_wrong", lambda v: xr.full_like(v, 8), {"seed": 0}),
        ("trained: probability", "trained", lambda v: 0.8 * v, {"seed": 1}),
        ("trained: spectral radius", "spectral_radius", lambda v: 0.3 * v, {"seed": 1}),
        ("from weekday, month and meeting: |acc", "calendar_accuracy", lambda v: v + 0.01, {}),
        ("from weekday, month and meeting: cross", "calendar_loss", lambda v: v - 0.01, {}),
        ("with last night's dinner", "calendar_accuracy", lambda v: 0.99 * v, {"seed": 1}),
    ],
)  # fmt: skip
def test_each_claim_can_fail(cube, claim, variable, change, at):
    names = failed(spoilt(cube, variable, change, **at))
    assert any(name.startswith(claim) for name in names)
    assert len(names) < len(verdicts(cube)) / 2


def test_every_claim_is_spoilt_above(cube):
    (mark,) = [m for m in test_each_claim_can_fail.pytestmark if m.name == "parametrize"]
    beginnings = [case[0] for case in mark.args[1]]
    assert len(beginnings) == len(verdicts(cube))
    assert all(name.startswith(tuple(beginnings)) for name in verdicts(cube))


def test_axes_that_lack_what_a_claim_needs_leave_it_out(cube):
    below = cube.sel(gain=[0.5])
    names = verdicts(below)
    assert all(names.values())
    assert not any("gain above 1" in name or "gain 2" in name or "6z" in name for name in names)
    EXPERIMENT.figure(below).draw_without_rendering()
    EXPERIMENT.figure(cube.isel(seed=[1], gain=[2, 0])).draw_without_rendering()


def by_loop(gain, first, n_nights):
    """The network built by hand, night by night in plain Python."""
    P = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    eaten, o, found = np.eye(3)[first], np.zeros(3), []
    for _ in range(n_nights):
        o = np.tanh(gain * P @ (eaten + o))
        found.append(o)
        eaten = np.zeros(3)
    return np.array(found)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_rolled_and_unrolled_are_one_network(first):
    """One scan, the cell stepped in a Python loop, and the equation itself."""
    cell, params = rnnjax.decks.by_hand.dinner_ring(rnnjax.activations.tanh, 1.1)
    x = rnnjax.decks.Dinner(length=16).away(first).x

    def unrolled(params, x):
        o, found = cell.initial_state(), []
        for x_t in x:
            o = cell.step(params, o, x_t)
            found.append(cell.readout(params, o))
        return jnp.stack(found)

    scanned = jax.jit(lambda p, x: rnnjax.outputs(cell, p, x))(params, x)
    np.testing.assert_allclose(scanned, jax.jit(unrolled)(params, x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(scanned, by_loop(1.1, first, 16), rtol=0, atol=1e-12)


def test_the_cube_holds_what_the_equation_gives(cube):
    for k in cube["gain"].values:
        for first, last_known in enumerate(cube["last_known"].values):
            got = cube["prediction"].sel(gain=k, last_known=last_known).transpose("seed", ...)
            np.testing.assert_allclose(got.values[0], by_loop(k, first, 16), atol=1e-6)


def test_margins_are_those_of_the_network(cube):
    two_weeks = np.exp(cube["log_margin"].sel(late_night=15, squashing="tanh(kz)").isel(seed=0))
    for k, margin in zip(cube["gain"].values, two_weeks.values, strict=True):
        right, *others = sorted(by_loop(k, 0, 15)[-1], reverse=True)
        assert math.isclose(margin, right - max(others), rel_tol=1e-4)


def test_known_dinners_are_followed_at_once():
    """A dinner that is seen again after missed nights overrules what was predicted."""
    cell, params = rnnjax.decks.by_hand.dinner_ring(rnnjax.activations.tanh, 2.0)
    x = jnp.zeros((6, 3)).at[0, 0].set(1).at[4, 0].set(3)
    said = np.argmax(jax.jit(lambda x: rnnjax.outputs(cell, params, x))(x), axis=-1)
    np.testing.assert_array_equal(said, [1, 2, 0, 1, 1, 2])


def test_a_gain_that_comes_twice_or_is_no_number_is_one_line(capsys):
    for flags, told in (
        (["--gains", "1,1"], "gains: expected values that differ"),
        (["--gains", "lin(1,2)"], "gains: "),
        (["--gains", "-1"], "gains"),
        (["--n-nights", "15"], "n_nights: expected a number greater"),
    ):
        assert main(["plan", "dinner", *flags]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and told in error
    assert main(["plan", "dinner", "--gains", "lin(0.5,2,4)"]) == 0
