"""Long lags in quick mode, their tasks, and the claims against cubes that are wrong."""

import json

import jax
import numpy as np
import pytest
import xarray as xr

from rnnjax.figures import styled
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "long_lags"
TASKS, CELLS = ("temporal_order", "adding"), ("vanilla", "gru", "lstm")
N = 3000


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


@pytest.fixture(scope="module")
def sequences():
    """Many sequences of both tasks at T = 100, from one program."""
    experiment = load(NAME)
    sequences = experiment.measure.__globals__["_sequences"]

    @jax.jit
    def drawn(key):
        return {task: sequences(experiment.setting(task=task), key, N) for task in TASKS}

    return jax.tree.map(np.asarray, drawn(jax.random.key(0)))


def lengths(batch):
    np.testing.assert_array_equal(batch.mask.sum(axis=1), 1)
    found = 1 + np.argmax(batch.mask, axis=1)
    assert set(found) == set(range(100, 111))
    return found


def test_temporal_order_is_that_of_1997(sequences):
    batch = sequences["temporal_order"]
    symbols, last = np.argmax(batch.x, axis=2), lengths(batch) - 1
    assert batch.x.shape == (N, 110, 8) and set(np.unique(batch.x.sum(axis=2))) == {1.0}
    np.testing.assert_array_equal(symbols[:, 0], 6)
    np.testing.assert_array_equal(symbols[np.arange(N), last], 7)
    told = [np.flatnonzero(row < 2) for row in symbols]
    places = np.array(told)
    assert set(places[:, 0]) == set(range(10, 21)) and set(places[:, 1]) == set(range(50, 61))
    first, second = np.take_along_axis(symbols, places, axis=1).T
    np.testing.assert_array_equal(np.argmax(batch.y[:, 0], axis=1), 2 * first + second)
    assert np.ptp(np.bincount(2 * first + second)) < 200


def test_adding_is_that_of_1997(sequences):
    batch = sequences["adding"]
    last, (values, marks) = lengths(batch) - 1, np.moveaxis(batch.x, 2, 0)
    np.testing.assert_array_equal(marks[:, 0], -1)
    np.testing.assert_array_equal(marks[np.arange(N), last], -1)
    at_start = (marks == 1).sum(axis=1) == 1  # the start is one of the two
    assert set((marks == 1).sum(axis=1)) == {1, 2} and 0.08 < at_start.mean() < 0.16
    np.testing.assert_array_equal(values[at_start, 0], 0)
    assert np.all(values[~at_start, 0] != 0)
    expected = 0.5 + np.sum(values * (marks == 1), axis=1) / 4
    np.testing.assert_allclose(batch.y[:, 0, 0], expected, atol=1e-12)
    both = np.array([np.flatnonzero(row == 1) for row in marks[~at_start]])
    assert set(both[:, 0]) == set(range(1, 10)) and set(both[:, 1]) <= set(range(2, 49))
    assert both.max() == 48 and np.max(np.nonzero(marks == 1)[1]) == 48
    assert np.min(values) < -0.99 and np.max(values) > 0.99
    np.testing.assert_allclose(np.var(batch.y[:, 0, 0]), 1 / 24, rtol=0.1)


def test_dims_and_status(cube):
    assert cube["wrong"].dims == ("task", "cell", "learning_rate", "seed", "point")
    assert set(np.unique(cube["error_status"])) == {1}
    np.testing.assert_array_equal(cube["n_budget"], 4 * 9 * 4)
    assert len(verdicts(NAME, cube)) == 1


def as_it_should_be(**changed):
    """A cube of a whole sweep that passes; `changed` by variable, task and cell."""
    axes = ("task", "cell", "learning_rate", "seed")
    coords = {"task": list(TASKS), "cell": list(CELLS), "point": [0.5, 1.0]}
    n = np.full((2, 3, 2, 3), np.inf)
    # Of two learning rates the first is the worse one, and no claim may take it.
    n[0, 1:, 1], n[1, 1:, 1] = 20_000.0, 50_000.0
    wrong = np.broadcast_to(np.array([1.0, 0.0]), (*n.shape, 2)).copy()
    test = np.where(np.isfinite(n), 0.0, 1.0)
    budget = np.broadcast_to(np.array([31_000.0, 74_000.0])[:, None, None, None], n.shape)
    found = xr.Dataset(
        {"n_sequences": (axes, n), "test_error": (axes, test), "n_budget": (axes, budget),
         "wrong": ((*axes, "point"), wrong), "error": ((*axes, "point"), wrong + 1e-3)},
        coords=coords,
        attrs={"config": json.dumps({"length": 100, "budget": 1.0, "n_tested": 2560})},
    )  # fmt: skip
    for told, value in changed.items():
        name, *where = told.split(" ")
        found[name].loc[dict(zip(("task", "cell"), where, strict=False))] = value
    return found


def test_a_sweep_that_is_as_it_should_be_passes():
    assert len(verdicts(NAME, as_it_should_be())) == 12
    assert not failed(NAME, as_it_should_be())


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        *[(f"{task}, {cell}: sequences", {f"n_sequences {task} {cell}": 80_000.0})
          for task in TASKS for cell in CELLS[1:]],
        *[(f"{task}, {cell}: wrong of 2560", {f"test_error {task} {cell}": 0.01})
          for task in TASKS for cell in CELLS[1:]],
        *[(f"{task}, tanh", {f"n_sequences {task} vanilla": 30_000.0}) for task in TASKS],
        *[(f"{task}: share of wrong", {f"wrong {task}": 0.1}) for task in TASKS],
    ],
)  # fmt: skip
def test_each_claim_can_fail(claim, changed):
    assert any(told.startswith(claim) for told in failed(NAME, as_it_should_be(**changed)))


def test_one_network_that_is_not_done_fails_the_mean():
    cube = as_it_should_be()
    cube["n_sequences"].loc[{"task": "adding", "cell": "lstm", "seed": 1}] = np.inf
    assert failed(NAME, cube) == ["adding, lstm: sequences until solved, mean"]


def test_claims_and_figure_stand_on_other_axes(cube):
    experiment = load(NAME)
    with styled():
        whole = experiment.figure(as_it_should_be())
        experiment.figure(cube)
    assert len(whole.axes) == 4
    some = as_it_should_be().sel(task=["adding"], cell=["gru"])
    assert len(verdicts(NAME, some)) == 3
