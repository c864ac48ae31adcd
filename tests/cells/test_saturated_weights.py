"""Weights that act within a step keep their gradient where all units are saturated."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, cells, rules, scaled

STEPS = 3


def of_last_output(cell, params):
    """ln |dy_T/dw| by leaf, for inputs of 1."""
    batch = rnnjax.Batch(jnp.ones((STEPS, 1)), jnp.zeros((STEPS, 1)), jnp.array([0.0, 0.0, 1.0]))
    out = rules.BPTT()(cell, lambda y_hat, y: y_hat[0], params, batch, ())
    return {name: float(scaled.log_norm(leaf)) for name, leaf in out.grads._asdict().items()}


def log_slope(activation, z):
    return float(activation.log_slope(jnp.asarray(float(z))))


@pytest.mark.parametrize("activation", [activations.tanh, activations.sigmoid])
@pytest.mark.parametrize("weight", [20.0, 30.0])
def test_a_neuron_of_the_chain(activation, weight):
    """dy/dw_n is f'(w_n + 1) h to within e^-w: h_t = 1 but for as much."""
    params = cells.ChainParams(jnp.asarray(weight), jnp.ones(1), jnp.ones(()))
    found = of_last_output(rnnjax.Chain(1, activation), params)
    expected = log_slope(activation, weight + 1)
    np.testing.assert_allclose([found["w_n"], found["w_x"]], expected, atol=1e-4)


@pytest.mark.parametrize("weight", [20.0, 30.0])
def test_a_unit_of_an_ind_rnn(weight):
    cell = rnnjax.cells.IndRNN(1, 1, 1, activation=activations.tanh)
    params = cell.init(jax.random.key(0))
    params = params._replace(w=jnp.full(1, weight), U=jnp.ones((1, 1)), b=jnp.zeros(1))
    found = of_last_output(cell, params)
    of_readout = math.log(abs(float(params.V[0, 0])))
    expected = log_slope(activations.tanh, weight + 1) + of_readout
    np.testing.assert_allclose(found["w"], expected, atol=1e-4)


@pytest.mark.parametrize("weight", [20.0, 30.0])
def test_both_layers_of_a_jordan_network(weight):
    cell = rnnjax.Jordan(1, 1, 1)
    params = cells.JordanParams(*(jnp.full(shape, weight) for shape in ((1, 2), 1, (1, 1), 1)))
    found = of_last_output(cell, params)
    outer, inner = 2 * weight, 3 * weight  # z of both layers, to within e^-w
    of_output = log_slope(activations.sigmoid, outer)
    np.testing.assert_allclose([found["V"], found["c"]], of_output, atol=1e-4)
    of_hidden = of_output + math.log(weight) + log_slope(activations.sigmoid, inner)
    np.testing.assert_allclose(found["b"], of_hidden, atol=1e-4)
    np.testing.assert_allclose(found["W"], of_hidden + 0.5 * math.log(2), atol=1e-4)


def test_the_candidate_of_a_minimal_rnn():
    cell = rnnjax.cells.MinimalRNN(1, 1, 1)
    params = cell.init(jax.random.key(0))
    params = params._replace(U=jnp.full((1, 1), 30.0), b_z=jnp.zeros(1))
    found = of_last_output(cell, params)
    assert found["U"] == pytest.approx(found["b_z"], abs=1e-9)
    assert abs(found["U"] - log_slope(activations.tanh, 30.0)) < 8
