"""Weights that act within a step keep their gradient where all units are saturated."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, cells, rules, scaled, slopes

STEPS = 3
LAST = jnp.zeros(STEPS).at[-1].set(1.0)
LAST_OF_ONES = rnnjax.Batch(jnp.ones((STEPS, 1)), jnp.zeros((STEPS, 1)), LAST)


def of_last_output(cell, params):
    """ln |dy_T/dw| by leaf, for inputs of 1."""
    out = rules.BPTT()(cell, lambda y_hat, y: y_hat[0], params, LAST_OF_ONES, ())
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


def s(z):
    return 1 / (1 + np.exp(-z))


def softplus(z):
    return np.log1p(np.exp(z)) if z.real < 0 else z + np.log1p(np.exp(-z))


def lstm(p, h, x):
    i, f, g, o = p.W[:, 0] * h[0] + p.U[:, 0] * x + p.b
    c = s(f) * h[1] + s(i) * np.tanh(g)
    return np.array([s(o) * np.tanh(c), c])


def projected_lstm(p, h, x):
    h, c = lstm(p, h, x)
    return np.array([p.R[0, 0] * h, c])


def gru(p, h, x):
    (r, z, n), (r_h, z_h, n_h) = p.U[:, 0] * x + p.b, p.W[:, 0] * h[0]
    candidate = np.tanh(n + s(r + r_h) * (n_h + p.b_n[0]))
    return np.array([s(-z - z_h) * candidate + s(z + z_h) * h[0]])


def gru_with_the_reset_before(p, h, x):
    r, z, n = p.U[:, 0] * x + p.b
    r, z = r + p.W[0, 0] * h[0], z + p.W[1, 0] * h[0]
    candidate = np.tanh(p.W[2, 0] * (s(r) * h[0]) + n)
    return np.array([s(-z) * candidate + s(z) * h[0]])


def minimal_gated(p, h, x):
    f, g = p.U[:, 0] * x + p.b
    f = f + p.W[0, 0] * h[0]
    return np.array([s(-f) * h[0] + s(f) * np.tanh(p.W[1, 0] * s(f) * h[0] + g)])


def gated_antisymmetric(p, h, x):
    gate, z = p.U[:, 0] * x + p.b - 0.1 * h[0]  # W - W^T is 0
    return h + 0.1 * s(gate) * np.tanh(z)


def min_gru(p, h, x):
    z, candidate = p.U[:, 0] * x + p.b
    return s(-z) * h + s(z) * candidate


def min_lstm(p, h, x):
    f, i, candidate = p.U[:, 0] * x + p.b
    return s(f) * h + s(i) * candidate


def rg_lru(p, h, x):
    r, i, u = p.U[:, 0] * x + np.append(p.b, 0)
    log_a = -8 * softplus(p.L[0]) * s(r)
    return np.exp(log_a) * h + np.sqrt(-np.expm1(2 * log_a)) * s(i) * u


@pytest.mark.parametrize("bias", [-60.0, 60.0])
@pytest.mark.parametrize(
    ("cell", "step", "gates"),
    [
        (rnnjax.LSTM(1, 1), lstm, [0, 1, 3]),
        (cells.ProjectedLSTM(1, 1, 1), projected_lstm, [0, 1, 3]),
        (rnnjax.GRU(1, 1), gru, [0, 1]),
        (cells.ResetBeforeGRU(1, 1), gru_with_the_reset_before, [0, 1]),
        (rnnjax.MinimalGated(1, 1), minimal_gated, [0]),
        (cells.Antisymmetric(1, 1, gated=True), gated_antisymmetric, [0]),
        (cells.MinGRU(1, 1), min_gru, [0]),
        (cells.MinLSTM(1, 1, normalised=False), min_lstm, [0, 1]),
        (cells.RGLRU(1, 1), rg_lru, [0, 1]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_gates_that_are_open_or_shut(cell, step, gates, bias):
    """Each gate by itself, against the derivatives of the equations by steps along i."""
    params = cell.init(jax.random.key(3))
    for gate in gates:
        at = params._replace(b=params.b.at[gate].set(bias))
        check_by_complex_steps(cell, step, at)


def test_rates_of_an_rg_lru_that_forgets_all():
    cell = cells.RGLRU(1, 1)
    params = cell.init(jax.random.key(3))
    check_by_complex_steps(cell, rg_lru, params._replace(L=jnp.full(1, 12.0)))


def check_by_complex_steps(cell, step, params):
    inputs = np.array([1.0, 0.5, 2.0])
    batch = rnnjax.Batch(jnp.asarray(inputs)[:, None], jnp.zeros((STEPS, 1)), LAST)
    found = rules.BPTT()(cell, lambda y_hat, y: y_hat[0], params, batch, ()).grads
    arrays = jax.tree.map(lambda leaf: np.asarray(leaf, complex), params)

    def output(p):
        h = cell.initial_state() + 0j
        for x in inputs:
            h = step(p, h, x)
        return p.V[0, 0] * h[0] + p.c[0]

    for name, array in arrays._asdict().items():
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = array.copy()
            moved[index] += 1e-100j
            slope[index] = output(arrays._replace(**{name: moved})).imag / 1e-100
        leaf = getattr(found, name)
        np.testing.assert_allclose(leaf.value * 2.0**leaf.exponent, slope, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("rate", [-1.0, -3 + 2j])
@pytest.mark.parametrize("step", [1e-6, 1e-2, 0.3, 3.0, 60.0])
def test_an_input_that_is_held_for_a_step(rate, step):
    """(e^z - 1) / rate, z = rate step; by the rate its derivative is step^2 int s e^(z s) ds."""
    z, (s, weights) = rate * step, np.polynomial.legendre.leggauss(60)
    s = (s + 1) / 2
    by_rate = step**2 * np.sum(weights / 2 * s * np.exp(z * s))
    args = (jnp.asarray(rate, type(rate * 1.0)), jnp.asarray(step, type(rate * 1.0)))
    one, no = jnp.ones_like(args[0]), jnp.zeros_like(args[0])
    value, found = jax.jvp(slopes.held, args, (one, no))
    np.testing.assert_allclose(value, np.expm1(z) / rate, rtol=1e-5)
    np.testing.assert_allclose(found, by_rate, rtol=1e-5)
    found = jax.jvp(slopes.held, args, (no, one))[1]
    np.testing.assert_allclose(found, np.exp(z), rtol=3e-5)


def test_a_layer_in_the_middle_of_a_stack():
    """A vanilla network of one unit, whose gradient passes through the step of the stack."""
    cell = rnnjax.Stack((rnnjax.Vanilla(1, 1), rnnjax.Vanilla(1, 1)))
    params = cell.init(jax.random.key(0))
    first, second = (layer._replace(b=jnp.full(1, 30.0)) for layer in params.layers)
    params = params._replace(layers=(first, second))
    batch = rnnjax.Batch(jnp.zeros((1, 1)), jnp.zeros((1, 1)), jnp.ones(1))
    out = rules.BPTT()(cell, lambda y_hat, y: y_hat[0], params, batch, ())
    z = 30.0 + float(second.U[0, 0])  # tanh(30) is 1
    expected = log_slope(activations.tanh, z) + math.log(abs(float(params.V[0, 0])))
    found = float(scaled.log_norm(out.grads.layers[1].b))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    below = log_slope(activations.tanh, 30.0) + math.log(abs(float(second.U[0, 0])))
    found = float(scaled.log_norm(out.grads.layers[0].b))
    np.testing.assert_allclose(found, expected + below, atol=1e-4)


def test_the_outputs_themselves_have_that_gradient():
    cell = rnnjax.Vanilla(1, 1)
    params = cell.init(jax.random.key(0))._replace(b=jnp.full(1, 30.0))
    by_bias = jax.grad(lambda p: rnnjax.outputs(cell, p, jnp.zeros((1, 1)))[0, 0])(params).b[0]
    expected = log_slope(activations.tanh, 30.0) + math.log(abs(float(params.V[0, 0])))
    np.testing.assert_allclose(math.log(abs(float(by_bias))), expected, atol=1e-4)
