"""Follow the mean of the inputs. Sequences have 5 to 20 steps and are padded with -1 to 20."""

import jax
import jax.numpy as jnp

N, T, PADDING = 16, 20, -1.0
SHAPES = ((N, N), (N, 1), (N,))


def batch(key, n=32):
    """Draw inputs (n, T, 1), targets (n, T) and lengths (n,)."""
    key_x, key_n = jax.random.split(key)
    x, lengths = jax.random.uniform(key_x, (n, T, 1)), jax.random.randint(key_n, (n,), 5, T + 1)
    means = jnp.cumsum(x[..., 0], axis=1) / jnp.arange(1, T + 1)[None]
    inside = jnp.arange(T)[None] < lengths[:, None]
    return jnp.where(inside[..., None], x, PADDING), jnp.where(inside, means, PADDING), lengths


def init(key):
    """Draw all weights."""
    W, U, v = (
        jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), SHAPES, strict=True)
    )
    return {"W": 0.9 * W / N**0.5, "U": U, "v": v / N**0.5}


def loss(params, example):
    """Return the loss of one sequence."""
    x, y, length = example

    def step(h, at):
        x_t, y_t, t = at
        h = jnp.tanh(params["W"] @ h + params["U"] @ x_t)
        return h, jnp.where(t <= length, (params["v"] @ h - y_t) ** 2, 0)

    return jnp.sum(jax.lax.scan(step, jnp.zeros(N), (x, y, jnp.arange(T)))[1]) / length


params, examples = init(jax.random.key(0)), batch(jax.random.key(1))
