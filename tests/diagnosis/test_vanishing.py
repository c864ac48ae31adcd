"""What float32 loses, and the report does not: an LSTM that forgets hard, over 2,000 steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis.transport import transport
from tests.diagnosis import small


def perturbed(params, n):
    """The loss of an LSTM by perturbations of its state behind each step, in float64."""

    def loss(perturbations, x):
        def step(state, at):
            c, h = state
            x, p = at
            z = params["W"] @ h + params["U"] @ x + params["b"]
            i, f, g, o = jnp.split(z, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (c + p[:n], h + p[n:]), None

        start = (jnp.zeros(n, x.dtype),) * 2
        (_, h), _ = jax.lax.scan(step, start, (x, perturbations))
        return jnp.sum(h**2) + h[0]

    return loss


@pytest.mark.wide
def test_lag_at_which_a_float32_gradient_is_zero(float32):
    n, T = 2, 2000
    loss, params = small.lstm(n=n, forget_bias=-2.0)
    params |= {"W": 0.3 * params["W"]}
    x = small.sequences(1, T)[0]
    r = rnnjax.recurrences(loss, params, x)[0]
    found = transport(r)
    by_framework = jax.grad(perturbed(params, n))(jnp.zeros((T, 2 * n)), x)
    zero = np.all(np.asarray(by_framework)[::-1] == 0, axis=1)
    first = int(np.argmax(zero))
    assert zero[first:].all() and first < 200
    # A framework adds the gradients by c and h, the transport rounds them once: one step apart.
    assert abs(int(found["zero_lag_float32"]) - first) <= 1
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (params, x))
        exact = jax.grad(perturbed(wide[0], n))(jnp.zeros((T, 2 * n)), wide[1])
    norms = np.linalg.norm(np.asarray(exact)[::-1], axis=1)
    there = (norms > 1e-150) & (np.arange(T) > first)
    assert there.sum() > 100  # float64 goes on where float32 reads 0, its squares to 1e-300
    logs = np.asarray(found["log_norm_by_lag"])[:T]
    np.testing.assert_allclose(logs[there], np.log(norms[there]), rtol=0, atol=1e-4)
    # Beyond float64 as well the gradient falls at the rate of the steps before.
    assert np.isfinite(logs).all() and logs[-1] < -2000
