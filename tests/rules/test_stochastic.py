"""Unbiased means the mean over all sign sequences of a small net, not over a few draws."""

import itertools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error
from rnnjax.rules.problem import Problem
from tests.crossed import wide_but

T, N = 3, 2
RNG = np.random.default_rng(4)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 2))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
SIGNS = jax.device_put(
    np.array(list(itertools.product([-1.0, 1.0], repeat=T * N))).reshape(-1, T, N)
)
CELLS = {
    "leaky": rnnjax.Vanilla(2, N, 2, leak=0.7, gain=1.5),
    "relu": rnnjax.Vanilla(2, N, 2, activation=rnnjax.activations.relu, bias_gain=1.0),
}
ESTIMATES = {
    "UORO": lambda s: rules.UORO(signs=s),
    "KFRTRL": lambda s: rules.KFRTRL(signs=s),
    "ReverseKFRTRL": lambda s: rules.ReverseKFRTRL(signs=s),
}


def all_gradients(cell, make, given=SIGNS):
    """The gradient of every sign sequence, (64, weights), and that of RTRL.

    Or of whatever else is given to `make`, along a first axis.
    """

    @jax.jit
    def run(key):
        params = cell.init(key)

        def gradient(rule):
            state = rule.init(cell, params, BATCH, key) if rule.stochastic else ()
            out = rule(cell, squared_error, params, BATCH, state)
            return jax.flatten_util.ravel_pytree(scaled.plain(out.grads))[0]

        return jax.vmap(lambda s: gradient(make(s)))(given), gradient(rules.RTRL())

    return jax.tree.map(np.asarray, run(jax.random.key(6)))


@pytest.mark.parametrize("cell", wide_but(["leaky"], CELLS))
@pytest.mark.parametrize("name", wide_but(["UORO", "KFRTRL"], ESTIMATES))
def test_the_mean_over_all_sign_sequences_is_rtrl(name, cell):
    assert SIGNS.shape == (64, T, N)
    draws, exact = all_gradients(CELLS[cell], ESTIMATES[name])
    scale = np.abs(exact).max()
    np.testing.assert_allclose(draws.mean(0), exact, rtol=0, atol=1e-12 * scale)
    assert np.abs(draws - exact).max() > 1e-2 * scale


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("UORO", "leaky"),
        *(pytest.param(n, "leaky", marks=pytest.mark.wide) for n in ESTIMATES if n != "UORO"),
        *(pytest.param("UORO", c, marks=pytest.mark.wide) for c in CELLS if c != "leaky"),
    ],
)
def test_an_estimate_has_a_derivative_where_its_factors_begin_at_0(name, cell):
    """In reverse mode as in forward mode, and by differences."""
    cell, rule = CELLS[cell], ESTIMATES[name](SIGNS[37])

    @jax.jit
    def run(key):
        params = cell.init(key)
        state = rule.init(cell, params, BATCH, key)

        def size(gain):
            at = jax.tree.map(lambda a: gain * a, params)
            grads = rule(cell, squared_error, at, BATCH, state).grads
            return jnp.sum(jnp.cos(jax.flatten_util.ravel_pytree(scaled.plain(grads))[0]))

        differences = (size(1 + 1e-6) - size(1 - 1e-6)) / 2e-6
        return jax.grad(size)(1.0), jax.jacfwd(size)(1.0), differences

    reverse, forward, differences = run(jax.random.key(6))
    np.testing.assert_allclose(reverse, forward, rtol=1e-11)
    np.testing.assert_allclose(reverse, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.wide
def test_node_perturbation_is_rtrl_in_the_mean_to_second_order_in_sigma():
    sigmas = jnp.repeat(jnp.array([1e-2, 1e-3]), len(SIGNS))
    draws, exact = all_gradients(
        CELLS["leaky"],
        lambda given: rules.NodePerturbation(given[0], xi=given[1]),
        (sigmas, jnp.concatenate([SIGNS, SIGNS])),
    )
    means = draws.reshape(2, len(SIGNS), -1).mean(1)
    gaps = np.abs(means - exact[None]).max(1) / np.abs(exact).max()
    assert gaps[0] < 1e-2
    np.testing.assert_allclose(gaps[0] / gaps[1], 100, rtol=0.05)


@pytest.mark.wide
def test_kf_rtrl_on_an_lstm_is_unbiased():
    cell = rnnjax.LSTM(2, N, 2)
    draws, exact = all_gradients(cell, ESTIMATES["KFRTRL"])
    np.testing.assert_allclose(draws.mean(0), exact, rtol=0, atol=1e-12 * np.abs(exact).max())


@pytest.mark.wide
def test_random_signs_are_signs_and_new_in_every_sequence():
    cell = CELLS["leaky"]
    each = rules.UORO(), rules.KFRTRL(), rules.ReverseKFRTRL()

    @jax.jit
    def drawn(key):
        problem = Problem(cell, squared_error, cell.init(key))
        return [rule.noise(problem, key, 50).influence for rule in each]

    for noise in map(np.asarray, drawn(jax.random.key(1))):
        assert set(np.unique(noise)) == {-1.0, 1.0} and abs(noise.mean()) < 0.5
    rule = rules.UORO()
    long = jax.tree.map(lambda a: np.tile(a, (8,) + (1,) * (a.ndim - 1)), BATCH)

    @jax.jit
    def two_sequences(key):
        params = cell.init(key)
        out = rule(cell, squared_error, params, long, rule.init(cell, params, long, key))
        again = rule(cell, squared_error, params, long, out.state)
        return [scaled.plain(o.grads).W for o in (out, again)]

    first, second = two_sequences(jax.random.key(2))
    assert np.abs(first - second).max() > 1e-6


@pytest.mark.wide
def test_kernl_learns_the_kernel_of_a_network_that_has_one():
    """Units that only leak: the Jacobian over k steps is (1 - a)^k I, so A = I and alpha = a."""
    cell = rnnjax.Vanilla(2, 4, 2, leak=0.3)
    long = jax.tree.map(lambda a: np.tile(a, (1500,) + (1,) * (a.ndim - 1)), BATCH)
    rule = rules.KeRNL(rate=0.05)

    @jax.jit
    def run(key):
        params = cell.init(key)
        params = params._replace(W=jnp.zeros((4, 4)))
        state = rule.init(cell, params, long, key)
        taught = rule(cell, squared_error, params, long, state).state
        grads = [rule(cell, squared_error, params, BATCH, s).grads for s in (state, taught)]
        exact = rules.RTRL()(cell, squared_error, params, BATCH).grads
        return taught.learned.transport, [scaled.plain(g).U for g in (*grads, exact)]

    kernel, (before, after, exact) = run(jax.random.key(0))
    np.testing.assert_allclose(kernel.A, np.eye(4), atol=1e-3)
    np.testing.assert_allclose(kernel.alpha, 0.3, atol=1e-3)
    np.testing.assert_allclose(after, exact, atol=1e-2 * np.abs(exact).max())
    assert np.abs(before - exact).max() > 0.05 * np.abs(exact).max()
