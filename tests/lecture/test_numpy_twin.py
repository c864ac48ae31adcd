"""The program in NumPy alone measures what the library does, on the same weights and inputs."""

import ast
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import rnnjax
from tests.lecture.programs import LECTURE, program

PATH = LECTURE / "numpy_twin.py"
TASK = rnnjax.tasks.WhiteNoise(length=96)
GAINS = (0.5, 1.0, 1.41, 2.0)


@pytest.fixture(scope="module")
def twin():
    return program(PATH)


def library(name, gain, seed):
    """Weights, inputs and the norms by lag of one network."""
    cell = rnnjax.Vanilla(
        TASK.n_x, 24, activation=rnnjax.activation_named(name), gain=gain, bias_gain=0.1
    )
    key = jax.random.key(seed)
    params, batch = cell.init(key), TASK.sample(jax.random.fold_in(key, 1))
    return params, batch, rnnjax.probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]


@pytest.mark.parametrize("name", ["identity", "tanh", "sigmoid", "relu"])
def test_the_norms_are_those_of_the_library(twin, name):
    measured = jax.jit(lambda gain, seed: library(name, gain, seed))
    for seed, gain in enumerate(GAINS):
        params, batch, expected = measured(gain, seed)
        W, U, b, x = (np.asarray(a, np.float64) for a in (*params[:3], batch.x))
        found = twin.log_norm_by_lag(W, U, b, x, *twin.ACTIVATIONS[name])
        assert expected.dtype == np.float64 and len(found) == 97
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_a_gradient_beyond_float64_is_measured(twin):
    """Identity with a diagonal matrix: k ln g, to 1e4 nats."""
    W, none = 1e-30 * np.eye(4), np.zeros((4, 1))
    identity = twin.ACTIVATIONS["identity"]
    found = twin.log_norm_by_lag(W, none, none[:, 0], np.zeros((150, 1)), *identity)
    np.testing.assert_allclose(found, np.arange(151) * np.log(1e-30), rtol=1e-12)
    silent = twin.log_norm_by_lag(-np.eye(4), none, -np.ones(4), np.zeros((2, 1)),
                                  *twin.ACTIVATIONS["relu"])  # fmt: skip
    assert silent.tolist() == [0, -np.inf, -np.inf]


def test_it_fits_on_a_page_and_needs_numpy_alone():
    text = PATH.read_text()
    assert len(text.splitlines()) <= 60 and max(map(len, text.splitlines())) <= 100
    imported = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["import numpy as np"]


def test_it_prints_the_table():
    done = subprocess.run(
        [sys.executable, str(PATH)], capture_output=True, text=True, check=True, timeout=60
    )
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    norms = {(name, float(gain)): [*map(float, rest)] for name, gain, *rest in rows}
    assert len(norms) == 16
    assert norms["identity", 2.0][-1] > 60 > 0 > norms["identity", 0.5][-1]
    assert all(norms["sigmoid", g][-1] < -50 for g in (0.5, 1.0, 1.5, 2.0))
    assert all(norms["tanh", g][-1] < -10 for g in (0.5, 1.0, 1.5))
    assert norms["relu", 1.0][-1] < 0 < norms["relu", 2.0][-1]


def test_the_page_names_the_program():
    assert Path(PATH).name in (LECTURE / "exercises.md").read_text()
