"""Say at the end of a sequence what its first input was. Memory is saved on the way back."""

import jax
import jax.numpy as jnp

N, T = 16, 20
SHAPES = ((N, N), (N, 1), (N,))


def batch(key, n=8):
    """Draw inputs (n, T, 1) and targets (n,)."""
    x = 0.1 * jax.random.normal(key, (n, T, 1))
    x = x.at[:, 0].multiply(10)
    return x, x[:, 0, 0]


def init(key):
    """Draw all weights."""
    W, U, v = (
        jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), SHAPES, strict=True)
    )
    return {"W": 1.2 * W / N**0.5, "U": U, "v": v / N**0.5}


def loss(params, example):
    """Return the loss of one sequence."""
    x, y = example

    def step(h, x_t):
        h = jax.lax.stop_gradient(h)
        return jnp.tanh(params["W"] @ h + params["U"] @ x_t), None

    h = jax.lax.scan(step, jnp.zeros(N), x)[0]
    return (params["v"] @ h - y) ** 2


params, examples = init(jax.random.key(0)), batch(jax.random.key(1))
