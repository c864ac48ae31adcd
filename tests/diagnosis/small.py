"""Small programs to diagnose: few operations a step, so that they compile fast."""

import jax
import jax.numpy as jnp


def vanilla(n=3, gain=0.9, n_x=2, bias=0.0, activation=jnp.tanh, key=0, dtype=None):
    """Return loss, params and a step of a vanilla network read at its last step."""
    keys = jax.random.split(jax.random.key(key), 2)
    W = gain * jnp.linalg.qr(jax.random.normal(keys[0], (n, n), dtype))[0]
    U = jax.random.normal(keys[1], (n, n_x), W.dtype)
    params = {"W": W, "U": U, "b": jnp.full(n, bias, W.dtype)}

    def loss(params, x):
        def step(h, x):
            h = activation(params["W"] @ h + params["U"] @ x + params["b"])
            return h, None

        h, _ = jax.lax.scan(step, jnp.zeros(n, W.dtype), x)
        return jnp.sum(h**2) + h[0]

    return loss, params


def lstm(n=2, forget_bias=1.0, n_x=2, key=0, dtype=None):
    """Return loss and params of an LSTM read at its last step; gates i, f, g, o."""
    keys = jax.random.split(jax.random.key(key), 2)
    W = jax.random.normal(keys[0], (4 * n, n), dtype) / n**0.5
    U = jax.random.normal(keys[1], (4 * n, n_x), W.dtype) / n_x**0.5
    b = jnp.concatenate([jnp.zeros(n), jnp.full(n, forget_bias), jnp.zeros(2 * n)]).astype(W.dtype)
    params = {"W": W, "U": U, "b": b}

    def loss(params, x):
        def step(state, x):
            c, h = state
            z = params["W"] @ h + params["U"] @ x + params["b"]
            i, f, g, o = jnp.split(z, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (c, h), None

        (_, h), _ = jax.lax.scan(step, (jnp.zeros(n, W.dtype),) * 2, x)
        return jnp.sum(h**2) + h[0]

    return loss, params


def sequences(n_examples=3, n_steps=20, n_x=2, key=1, dtype=None):
    """Return white noise, (n_examples, T, n_x)."""
    return jax.random.normal(jax.random.key(key), (n_examples, n_steps, n_x), dtype)
