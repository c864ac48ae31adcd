"""Changes to a layer do what their sentences say, and to the weights that they name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.diagnosis import remedies, units
from rnnjax.diagnosis.recurrent_weights import recurrent

N, T = 3, 40
KEY = jax.random.key
M = jnp.full((N, N), 0.1)


def only(loss, params, x):
    return rnnjax.recurrences(loss, params, x)[0]


def of_gates(b, z):
    """A gate that opens and shuts with the inputs z, (T, N)."""

    def step(h, z):
        keep = jax.nn.sigmoid(z + b)
        return keep * h + (1 - keep) * jnp.tanh(M @ h + 1), None

    return jnp.sum(jax.lax.scan(step, jnp.zeros(N), z)[0])


def test_gates_that_open_and_shut_are_opened_on_average():
    """Not to the gate of their mean argument: that of the first unit here keeps 0.6 on average."""
    z = jax.random.normal(KEY(0), (T, N)) * jnp.array([[9.0, 1.0, 0.1]]) - 3
    r = only(of_gates, jnp.zeros(N), z)
    keep, _ = units.keep_factors(r)
    shift = remedies._raised(keep, jnp.ones(T, bool))
    after = jax.nn.sigmoid(z + shift[None]).mean(axis=0)
    np.testing.assert_allclose(after, 1 - 1 / T, atol=1e-5)
    assert shift[0] > 10 and shift[2] < 8
    # The step is that of the network with this bias.
    h, t = r.states[7], jnp.int32(7)
    opened = jax.nn.sigmoid(z[7] + shift)
    expected = jax.jacobian(lambda h: opened * h + (1 - opened) * jnp.tanh(M @ h + 1))(h)
    found = jax.jacobian(remedies.shifted_gates(r))(h, t)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_gates_that_are_open_further_are_left():
    z = jnp.full((T, N), 9.0).at[0].set(8.0)
    keep, _ = units.keep_factors(only(of_gates, jnp.zeros(N), z))
    np.testing.assert_array_equal(remedies._raised(keep, jnp.ones(T, bool)), 0)


@pytest.mark.parametrize("threshold", [0.0, 5.0])
def test_input_weights_of_relus_that_are_silent_without_their_state(threshold):
    """At h = 0 neither the state nor an input has any effect, as the threshold is far above."""

    def loss(p, x):
        def step(h, x):
            return jax.nn.relu(p["W"] @ h + p["U"] @ x - threshold), None

        return jnp.sum(jax.lax.scan(step, jnp.full(N, 9.0), x)[0])

    W = 1.5 * jnp.eye(N) + 0.02 * jax.random.normal(KEY(1), (N, N))
    params = {"W": W, "U": 0.3 * jax.random.normal(KEY(2), (N, N))}
    r = only(loss, params, jax.random.uniform(KEY(3), (5, N)) / 2)
    (found,) = (r.params[i] for i in recurrent(r))
    np.testing.assert_array_equal(found, W)


def test_recurrent_weights_of_relus_that_are_all_dead():
    def loss(p, x):
        def step(h, x):
            return jnp.where(x[0] == 7, h, jnp.maximum(p["W"] @ h + p["U"] @ x - 100, 0)), None

        return jnp.sum(jax.lax.scan(step, jnp.zeros(N), x)[0])

    params = {"W": jnp.eye(N), "U": 2 * jnp.eye(N)}
    r = only(loss, params, jnp.ones((5, N)))
    (found,) = (r.params[i] for i in recurrent(r))
    np.testing.assert_array_equal(found, params["W"])
