"""The margin of a ring of units against the network itself, and against one neuron."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, analysis

N_STEPS = 30
P = np.roll(np.eye(3), 1, axis=0)


def log_margins(activation, gain, bias, n_steps=N_STEPS):
    run = jax.jit(lambda k, b: analysis.log_margins(activation, k, b, n_steps))
    return np.asarray(run(gain, bias))


def margins_in_python(f, gain, bias, n_steps=N_STEPS):
    """The largest value minus the second of o_t = f(a P o_{t-1} + b), by a loop."""
    o, found = np.array([1.0, 0.0, 0.0]), []
    for _ in range(n_steps):
        o = f(gain * P @ o + bias)
        found.append(np.sort(o)[-1] - np.sort(o)[-2])
    return np.array(found)


def logistic(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.0, 1.1, 2.0, 4.5])
def test_tanh_is_the_network_and_the_one_neuron_chain(gain):
    found = np.exp(log_margins(activations.tanh, gain, 0.0))
    np.testing.assert_allclose(found, margins_in_python(np.tanh, gain, 0.0), rtol=1e-12)
    chain = rnnjax.Chain(activation=activations.tanh)
    w = jnp.asarray(gain)
    params = rnnjax.cells.ChainParams(w_n=w, w_x=w[None], w_3=jnp.ones(()))
    states = jax.jit(lambda x: rnnjax.outputs(chain, params, x))(jnp.eye(N_STEPS, 1))
    np.testing.assert_allclose(found, states[:, 0], rtol=1e-12)


@pytest.mark.parametrize(
    ("gain", "bias"), [(0.9, 0.0), (2.0, 0.0), (6.0, -3.0), (5.4, -3.0), (12.0, -6.0), (3.0, -1.5)]
)
def test_the_logistic_function_is_the_network(gain, bias):
    found = np.exp(log_margins(activations.sigmoid, gain, bias))
    expected = margins_in_python(logistic, gain, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("gain", "night", "digits"),
    [
        (0.5, 15, "2.8e-05"), (0.9, 15, "0.11"), (1.0, 15, "0.3"), (1.1, 15, "0.51"),
        (2.0, 15, "0.96"), (0.5, 200, "5.6e-61"), (0.9, 200, "3.6e-10"), (1.0, 200, "0.086"),
        (1.1, 200, "0.5"), (2.0, 200, "0.96"),
    ],
)  # fmt: skip
def test_margins_of_tanh_two_weeks_and_200_nights_later(gain, night, digits):
    found = math.exp(log_margins(activations.tanh, gain, 0.0, 200)[night - 1])
    assert f"{found:.2g}" == digits


def test_below_gain_one_the_margin_falls_by_the_gain_and_above_it_latches():
    falls = np.diff(log_margins(activations.tanh, 0.5, 0.0, 200))
    np.testing.assert_allclose(falls[-1], math.log(0.5), rtol=1e-12)
    m = math.exp(log_margins(activations.tanh, 2.0, 0.0, 200)[-1])
    np.testing.assert_allclose(m, math.tanh(2 * m), rtol=1e-14)


def test_the_logistic_function_forgets_at_every_gain_and_fastest_slowest_at_lambert_w():
    """The slope at the fixed point r, (1 - r) logit(r), is W(1/e) where logit(r) = 1/r."""
    W = 0.2784645427610738
    np.testing.assert_allclose(W * math.exp(W), math.exp(-1), rtol=1e-15)
    r = 1 / (1 + W)
    np.testing.assert_allclose((1 - r) * math.log(r / (1 - r)), W, rtol=1e-14)
    gains = np.linspace(0.1, 20, 200)
    run = jax.jit(
        jax.vmap(lambda k: analysis.log_margins(activations.sigmoid, k, jnp.zeros(()), 400))
    )
    rate = np.diff(np.asarray(run(gains)))[:, -1]
    assert np.all(rate <= math.log(W) + 1e-12)
    np.testing.assert_allclose(np.max(rate), math.log(W), atol=1e-3)


@pytest.mark.usefixtures("float32")
def test_margins_that_float32_cannot_hold_are_held():
    found = log_margins(activations.tanh, 0.5, 0.0, 2000)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[-1], found[99] + 1900 * math.log(0.5), rtol=1e-4)


def test_another_activation_is_refused():
    with pytest.raises(ValueError, match="activation: expected one of tanh, sigmoid, got relu"):
        analysis.log_margins(activations.relu, jnp.ones(()), jnp.zeros(()), 3)
