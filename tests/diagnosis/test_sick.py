"""A sick network for each alarm. That healthy ones raise none: test_healthy.py, test_diagnose.py.

All of them are layers of one program, which is measured once; test_diagnose.py has remedies.
"""

from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.diagnosis import small

T = 30


def random(n, m, key):
    return jax.random.normal(jax.random.key(key), (n, m)) / m**0.5


def run(activation, p, x):
    """The last state of h = f(W h + U x + b)."""

    def step(h, x):
        return activation(p["W"] @ h + p["U"] @ x + p["b"]), None

    return jax.lax.scan(step, jnp.full(len(p["b"]), 0.3), x)[0]


def run_gated(p, x):
    """The last state of h = f h + (1 - f) tanh(W h + U x) with the gate f = s(U x + b)."""

    def step(h, x):
        f = jax.nn.sigmoid(p["U"] @ x + p["b"])
        return f * h + (1 - f) * jnp.tanh(p["W"] @ h + p["U"] @ x), None

    return jax.lax.scan(step, jnp.zeros(len(p["b"])), x)[0]


def sick_layers(params, x):
    """The loss of a program in which each layer has one fault."""
    states = [
        run(jnp.tanh, params["chaotic"], 0 * x),
        run(jnp.tanh, params["forgets"], 1000 * x),
        run(jax.nn.relu, params["dead"], x),
        run(jnp.tanh, params["forgets"], x),
        run_gated(params["gated"], x),
    ]
    return sum(jnp.sum(h) for h in states)


LAYERS = ("chaotic", "saturated", "dead", "too long", "gated")


def params_of_sick_layers():
    """Parameters of `sick_layers`."""
    U, b = random(4, 2, 1), jnp.zeros(4)
    return {
        "chaotic": {"W": 3 * random(16, 16, 0), "U": random(16, 2, 1), "b": jnp.zeros(16)},
        "dead": {"W": 0.95 * jnp.eye(4), "U": 0.01 * U, "b": b.at[2:].set(-50.0) + 0.1},
        "forgets": {"W": 0.2 * jnp.eye(4), "U": U, "b": b},
        "gated": {"W": 0.2 * jnp.eye(4), "U": U, "b": b - 6},
    }


def _none(*_):
    return []


@pytest.fixture(scope="module")
def alarms():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("rnnjax.diagnosis.diagnose"), "_measured_remedies", _none)
        report = rnnjax.diagnose(
            sick_layers,
            params_of_sick_layers(),
            small.sequences(3, T),
            n_closer=1,
            longest_window=2,
            n_exponents=1,
        )
    assert len(report.layers) == len(LAYERS)
    names = dict(zip(LAYERS, report.layers, strict=True))
    return {
        name: {found.name for found in report.alarms if found.layer == layer}
        for name, layer in names.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("chaotic", {"explodes", "spectrum"}),
        ("saturated", {"flat units", "vanishes"}),
        ("dead", {"dead units"}),
        ("too long", {"vanishes"}),
        ("gated", {"gates shut", "vanishes"}),
    ],
)
def test_what_is_wrong_with_a_layer_is_an_alarm(alarms, layer, expected):
    assert alarms[layer] == expected


@pytest.mark.slow
def test_the_step_at_which_nan_arises_is_told():
    def loss(params, x):
        def step(h, x):
            return jnp.tanh(params @ h + jnp.log(x)), None

        return jnp.sum(jax.lax.scan(step, jnp.zeros(2), x)[0])

    x = jnp.full((2, 10, 2), 0.5).at[0, 6].set(-1.0)
    report = rnnjax.diagnose(loss, 0.5 * jnp.eye(2), x, n_closer=1, longest_window=1, n_exponents=1)
    (found,) = (found for found in report.findings if found.name == "not finite forward")
    assert found.alarm and found.number == 7
    assert "log" in found.statement and "test_sick.py" in found.statement
    np.testing.assert_array_equal(report.dataset["non_finite_forward_step"][0], [7, -1])
