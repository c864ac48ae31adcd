"""Coefficients of a chain against automatic differentiation, the backward scan and closed forms."""

import functools
import math

import jax
import numpy as np
import pytest
from jax import numpy as jnp

import rnnjax
from rnnjax import decks, scaled
from rnnjax.cells import Chain, ChainParams
from rnnjax.decks import active_coefficients, chain_coefficients, two_steps
from rnnjax.theory import scalar_chain

NAMES = ["identity", "tanh", "sigmoid", "relu", "gelu"]
W_N = np.array([-1.5, -0.8, 0.0, 0.9, 2.0])
X = jax.device_put(np.random.default_rng(0).uniform(-1, 1, 12))


def parameters(w_n):
    return ChainParams(w_n, np.array([0.7]), np.array(-1.3))


@functools.cache
def measured(name):
    """Signed coefficients by input, and two gradients that they are, for each of W_N."""
    n, activation = len(X), rnnjax.activation_named(name)
    one, own = Chain(1, activation), Chain(n, activation)
    batch = rnnjax.Batch(np.diag(X), np.zeros((n, 1)), np.arange(n) == n - 1)

    def of_weight(w_n):
        params = parameters(w_n)

        def last_output(x):
            run = rnnjax.unroll(one, params, x[:, None])
            return params.w_3 * scaled.plain(run.states)[-1, 0]

        each = params._replace(w_x=jnp.full(n, params.w_x[0]))
        out = rnnjax.BPTT()(own, lambda y_hat, y: y_hat[0], each, batch)
        by_own_weights = scaled.plain(out.grads).w_x
        return chain_coefficients(one, params, X), jax.grad(last_output)(X), by_own_weights

    found, by_input, by_own_weights = jax.device_get(jax.jit(jax.vmap(of_weight))(W_N))
    signed = (found["sign"] * np.exp(found["log_coefficient"]))[:, ::-1]
    return signed, by_input, by_own_weights


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_the_derivatives_by_the_inputs(name):
    signed, by_input, _ = measured(name)
    np.testing.assert_allclose(signed, by_input, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_the_gradient_by_input_weights_of_their_own(name):
    """BPTT of a chain in which every step has its own input weight, fed by unit vectors."""
    signed, _, by_own_weights = measured(name)
    np.testing.assert_allclose(by_own_weights, signed * np.asarray(X) / 0.7, rtol=1e-9)


def test_a_deeply_saturated_chain_keeps_its_digits(float32):
    cell, params = Chain(1, rnnjax.activations.tanh), ChainParams(*map(jnp.float32, (6, [1], 1)))
    found = jax.jit(lambda x: chain_coefficients(cell, params, x))(jnp.ones(51))
    exact, h, slopes = math.log(6) * np.arange(51), 0.0, []
    for _ in range(51):
        z = 6 * h + 1
        h = math.tanh(z)
        slopes.append(-2 * math.log(math.cosh(z)))
    exact += np.cumsum(slopes[::-1])
    assert exact[-1] < -500
    np.testing.assert_allclose(found["log_coefficient"], exact, rtol=1e-5)


def test_switched_off_paths_are_left_out_and_counted():
    cell, params = Chain(1, rnnjax.activations.relu), ChainParams(*map(jnp.float64, (0.5, [1], 1)))
    x = jnp.array([[1.0, 1, 1], [1, -9, 1], [2, 2, 2], [1, 1, -9]])
    found = jax.jit(lambda x: active_coefficients(cell, params, x, (0.0, 0.5, 1.0)))(x)
    np.testing.assert_allclose(found["share_active"], [0.75, 0.5, 0.5])
    exact = np.broadcast_to(np.log([1, 0.5, 0.25]), (3, 3))
    np.testing.assert_allclose(found["log_coefficient_random"], exact, atol=1e-12)
    np.testing.assert_allclose(found["growth_rate_random"], -math.log(2))


def test_when_all_paths_are_off_nothing_is_left():
    cell, params = Chain(1, rnnjax.activations.relu), ChainParams(*map(jnp.float64, (0.5, [1], 1)))
    run = jax.jit(lambda x: active_coefficients(cell, params, x, (0.5,)))
    found = run(jnp.array([[1.0, -9, 1]]))
    assert found["log_coefficient_random"].tolist() == [[0.0, -math.inf, -math.inf]]
    assert found["growth_rate_random"] == -math.inf


def test_quantiles_are_those_of_the_sequences():
    cell, params = Chain(1, rnnjax.activations.tanh), parameters(np.array(0.9))
    x = np.random.default_rng(1).standard_normal((11, 6))

    @jax.jit
    def both(x):
        one = jax.vmap(lambda x: chain_coefficients(cell, params, x)["log_coefficient"])
        return active_coefficients(cell, params, x, (0.1, 0.5, 0.9)), one(x)

    found, each = both(x)
    exact = np.sort(each, axis=0)[[1, 5, 9]]
    np.testing.assert_allclose(found["log_coefficient_random"], exact, rtol=1e-12)


@pytest.mark.parametrize("name", list(scalar_chain.FUNCTIONS))
def test_two_steps_are_the_worked_example(name):
    cell = Chain(2, rnnjax.activation_named(name))
    params = ChainParams(jnp.array(0.8), jnp.array([0.5, 0.25]), jnp.array(2.0))
    run = jax.jit(lambda p: two_steps(cell, p, jnp.array([2.0, 0]), jnp.array([0, 4.0])))
    steps, gradient = run(params)
    exact = scalar_chain.two_steps(name, (0.5, 0.25, 2.0, 0.8), (2.0, 4.0))
    np.testing.assert_allclose(steps, exact.values, rtol=1e-12)
    np.testing.assert_allclose(
        [*gradient.w_x, gradient.w_3, gradient.w_n], exact.gradient, rtol=1e-12
    )


def test_gradients_by_length_are_derivatives_of_the_last_output():
    """At each length by automatic differentiation, and the loss that is made of the last one."""
    activation, w_n, n = rnnjax.activations.tanh, 1.3, 4

    @jax.jit
    def of_library(w_n):
        of_loss = decks.loss_gradients(activation, w_n, n, 0.25, 0.5, 2)
        y, grads, _ = decks.gradients_by_length(activation, w_n, n)
        return y, scaled.plain(grads), of_loss

    @jax.jit
    def by_autodiff(w_n, w_x):
        return last(w_n, w_x), jax.jacobian(last, (0, 1))(w_n, w_x)

    def last(w_n, w_x):
        h, outputs = 0.0, []
        for w in w_x:
            h = jnp.tanh(w_n * h + w)
            outputs.append(h)
        return jnp.stack(outputs)

    (y, grads, found), (outputs, expected) = of_library(w_n), by_autodiff(w_n, jnp.ones(n))
    np.testing.assert_allclose(y, outputs, rtol=1e-12)
    np.testing.assert_allclose(grads.w_n, expected[0], rtol=1e-10)
    np.testing.assert_allclose(grads.w_x, expected[1], rtol=1e-10)
    error, by_w_n, by_w_x = y - 0.25, expected[0], expected[1]
    norm = np.linalg.norm([by_w_n[-1], *by_w_x[-1], y[-1]]) * abs(error[-1])
    sizes = np.exp(found["log_loss_gradient"])  # 0 at length 1, which has no recurrent step
    np.testing.assert_allclose(sizes, np.abs(error * by_w_n), rtol=1e-10)
    np.testing.assert_allclose(found["log_norm"], np.log(norm), rtol=1e-10)
    np.testing.assert_allclose(found["clipped_norm"], min(norm, 0.5), rtol=1e-10)
    share = np.abs(by_w_x[-1, :2]).sum() / np.abs(by_w_x[-1]).sum()
    np.testing.assert_allclose(found["share_oldest"], share, rtol=1e-10)
    np.testing.assert_allclose(found["clipped_share_oldest"], share, rtol=1e-10)


def test_the_worked_example_counts_weights_with_a_gradient():
    weights, inputs = (0.5, 0.25, 2.0, 0.8), (2.0, 4.0)
    run = jax.jit(lambda w: decks.worked_example(rnnjax.activations.tanh, w, inputs))
    found, exact = run(weights), scalar_chain.two_steps("tanh", weights, inputs)
    np.testing.assert_allclose(found["example"], exact.values, rtol=1e-10)
    np.testing.assert_allclose(found["example_gradient"], exact.gradient, rtol=1e-10)
    assert found["n_weights"].tolist() == [3, 4]
