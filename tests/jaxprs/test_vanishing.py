"""Where the gradient of a framework in float32 reads exactly 0, the logarithms are still right."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from flax import linen as nn

import rnnjax
from rnnjax import scaled

T, N = 2000, 3
FORGETFUL = -8.0


class Stack(nn.Module):
    """LSTMs that forget nearly all of c at every step."""

    n_layers: int
    dtype: type

    @nn.compact
    def __call__(self, x):
        for _ in range(self.n_layers):
            x = nn.RNN(nn.OptimizedLSTMCell(N, param_dtype=self.dtype))(x)
        return x


def forgetful(n_layers, dtype):
    """Return the loss of the last output, the weights and a sequence."""
    net = Stack(n_layers, dtype)
    rng = np.random.default_rng(4)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((T, N)))

    def weight(path, leaf):
        is_forget_bias = [entry.key for entry in path][-2:] == ["hf", "bias"]
        drawn = FORGETFUL if is_forget_bias else 0.3 * rng.normal(size=leaf.shape)
        return jnp.asarray(np.broadcast_to(drawn, leaf.shape), dtype)

    params = jax.tree_util.tree_map_with_path(weight, shapes)
    loss = lambda params, xs: jnp.sum(net.apply(params, xs)[-1])  # noqa: E731
    return loss, params, jnp.asarray(rng.normal(size=(T, N)), dtype)


def plain_deltas(loss, params, xs):
    """Return what autodiff sends to the inputs of each step, (T, n)."""
    return jax.jit(jax.grad(loss, 1))(params, xs)


def log_norms(loss, params, xs):
    return [np.asarray(scaled.log_norm(r.deltas)) for r in rnnjax.recurrences(loss, params, xs)]


def check(n_layers):
    """Compare float32 with float64, and both with autodiff where that has digits left."""
    with jax.enable_x64(False):
        single = forgetful(n_layers, np.float32)
        by_autodiff = plain_deltas(*single)
        found = log_norms(*single)
    right = log_norms(*forgetful(n_layers, np.float64))
    silent = np.flatnonzero(~np.any(np.asarray(by_autodiff), 1))
    assert 1500 < silent.size < T  # autodiff reads 0 beyond some lag
    for left, at in zip(found, right, strict=True):
        assert np.isfinite(left).all() and left[0] < -500
        np.testing.assert_allclose(left, at, rtol=1e-6, atol=1e-4)
    return found


@pytest.mark.wide
def test_one_layer_far_below_the_range():
    check(1)


@pytest.mark.slow
def test_two_layers_that_both_forget():
    """What reaches the lower layer is already below the range when it arrives."""
    lower, upper = check(2)
    assert lower[0] > upper[0] - 50  # through any one of the two, not both


@pytest.mark.wide
def test_the_numbers_of_mpmath():
    """h' = tanh(w h + x): the chain rule in fifty digits, for weights that fade by e^-5 a step."""
    w, xs = 0.01, np.random.default_rng(1).normal(size=200)

    def loss(params, xs):
        def step(h, x):
            h = jnp.tanh(params * h + x)
            return h, h**2

        return jnp.sum(jax.lax.scan(step, jnp.zeros(()), xs)[1][-2:])

    (found,) = rnnjax.recurrences(loss, jnp.asarray(w), jnp.asarray(xs))
    with mpmath.workdps(50):
        h, hs = mpmath.mpf(0), []
        for x in xs:
            h = mpmath.tanh(mpmath.mpf(w) * h + mpmath.mpf(x))
            hs.append(h)
        delta, logs = mpmath.mpf(0), []
        for t in range(len(xs) - 1, -1, -1):
            delta = delta + (2 * hs[t] if t >= len(xs) - 2 else 0)
            logs.append(float(mpmath.log(abs(delta))))
            delta = delta * mpmath.mpf(w) * (1 - hs[t] ** 2)
    np.testing.assert_allclose(scaled.log_norm(found.deltas), logs[::-1], rtol=1e-12)
    assert logs[-1] < np.log(np.finfo(np.float64).tiny)
