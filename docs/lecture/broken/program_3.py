"""Say at the end of a sequence what its first input was, with a gate that is to keep the state."""

import jax
import jax.numpy as jnp

N, T, KEEP = 16, 30, 3.0
SHAPES = ((N, N), (N, 1), (N, N), (N, 1), (N,))


def batch(key, n=8):
    """Draw inputs (n, T, 1) and targets (n,)."""
    x = 0.1 * jax.random.normal(key, (n, T, 1))
    x = x.at[:, 0].multiply(10)
    return x, x[:, 0, 0]


def init(key):
    """Draw all weights."""
    drawn = [jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 5), SHAPES, strict=True)]
    scales = (0.1 / N**0.5, 0.1, 0.1 / N**0.5, 1.0, 1 / N**0.5)
    W_f, U_f, W, U, v = (scale * w for scale, w in zip(scales, drawn, strict=True))
    return {"W_f": W_f, "U_f": U_f, "b_f": jnp.full(N, KEEP), "W": W, "U": U, "v": v}


def loss(params, example):
    """Return the loss of one sequence."""
    x, y = example

    def step(h, x_t):
        gate = jax.nn.sigmoid(params["W_f"] @ h + params["U_f"] @ x_t + params["b_f"])
        new = jnp.tanh(params["W"] @ h + params["U"] @ x_t)
        return (1 - gate) * h + gate * new, None

    h = jax.lax.scan(step, jnp.zeros(N), x)[0]
    return (params["v"] @ h - y) ** 2


params, examples = init(jax.random.key(0)), batch(jax.random.key(1))
