"""Where the page says that float32 loses the gradient, against float32 autodiff in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.explorer.settings import cell_of, setting

FLOAT32 = "s => window.rnnjax.compute(s, ['float32']).float32"


def of_chain(computing, gain, activation="identity", T=200):
    s = setting(cell="neuron", activation=activation, gain=gain, bias=0, T=T)
    return s, computing.evaluate(FLOAT32, s)


def first_lost(gain, T=200):
    """First lags at which float32 autodiff of a linear chain on this machine gives 0, and inf."""
    with jax.enable_x64(False):
        cell = rnnjax.Chain(gain=gain)
        params = cell.init(jax.random.key(0))

        def gradient(n):
            def end(h):
                steps = jnp.arange(T)
                step = lambda h, t: (jnp.where(t < n, params.w_n * h, h), None)  # noqa: E731
                return jax.lax.scan(step, h, steps)[0]

            return jax.grad(end)(jnp.float32(1))

        norms = np.asarray(jax.jit(jax.vmap(gradient))(jnp.arange(T + 1)))
    zero, infinite = np.flatnonzero(norms == 0), np.flatnonzero(~np.isfinite(norms))
    return zero[0] if len(zero) else -1, infinite[0] if len(infinite) else -1


@pytest.mark.parametrize("gain", [0.5, 0.3, 0.9, 2.0, 3.5])
def test_a_linear_chain_is_lost_where_jax_loses_it(computing, gain):
    flushed = of_chain(computing, gain)[1]["flushed"]
    assert (flushed["firstZero"], flushed["firstNotFinite"]) == first_lost(gain)


def test_the_chain_of_the_readme(computing):
    """w = 0.5: 0 from T = 127 on, and from 150 with subnormal numbers; w = 2: inf from 128 on."""
    half = of_chain(computing, 0.5)[1]
    assert half["flushed"]["firstZero"] == 127 and half["kept"]["firstZero"] == 150
    double = of_chain(computing, 2.0)[1]
    assert double["flushed"]["firstNotFinite"] == double["kept"]["firstNotFinite"] == 128


def test_a_saturated_slope_is_0_in_float32(computing):
    """1 - tanh^2 is exactly 0 beyond 9: a bias of 40 loses the gradient in one step."""
    s = setting(cell="neuron", activation="tanh", gain=0.1, bias=2, T=5, seed=7)
    b = computing.evaluate("s => window.rnnjax.compute(s, ['weights']).weights.b[0]", s)
    found = computing.evaluate(FLOAT32, {**s, "bias": 100 / abs(b)})
    assert found["kept"]["firstZero"] == 1


def gradients_in_jax(s):
    """Norms of dL/dh_{T-k}, k = 1..T, by float32 autodiff of the unrolled network."""
    with jax.enable_x64(False):
        cell, key = cell_of(s), jax.random.key(s["seed"])
        params = cell.init(jax.random.fold_in(key, 0))
        task = rnnjax.tasks.WhiteNoise(length=s["T"])
        x = task.sample(jax.random.fold_in(key, 1)).x

        def end(pushes):
            step = lambda h, at: (cell.step(params, h + at[1], at[0]), None)  # noqa: E731
            h = jax.lax.scan(step, cell.initial_state(), (x, pushes))[0]
            return jnp.sum(h) / s["n"] ** 0.5

        gradients = jax.jit(jax.grad(end))(jnp.zeros((s["T"], s["n"])))
    return np.linalg.norm(np.asarray(gradients, float), axis=1)[::-1]


def test_norms_in_float32_are_those_of_autodiff(computing):
    """A tanh network far from chaos: both round alike, but sum in another order."""
    s = setting(n=8, gain=0.7, T=40, seed=4)
    found = computing.evaluate(FLOAT32, s)
    np.testing.assert_allclose(found["flushed"]["norms"][1:], gradients_in_jax(s), rtol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_a_network_is_lost_where_jax_loses_it(computing, seed):
    """Products below the smallest normal number are 0 before they are summed, and sums after."""
    s = setting(n=5, activation="identity", gain=0.3, T=150, seed=seed)
    found = computing.evaluate(FLOAT32, s)["flushed"]
    norms = gradients_in_jax(s)
    lag = 1 + np.flatnonzero(norms == 0)[0]
    assert found["firstZero"] == lag
    np.testing.assert_allclose(found["norms"][1:lag], norms[: lag - 1], rtol=1e-4)
