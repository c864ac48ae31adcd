"""Say how large the sum of a sequence is, whatever its sign. Every 16th is large."""

import jax
import jax.numpy as jnp

N, T, LIMIT, RATE = 16, 20, 0.1, 0.1
SHAPES = ((N, N), (N, 1), (N,))


def batch(key, n=32):
    """Draw inputs (n, T, 1) and targets (n,)."""
    large = (jnp.arange(n) % 16 == 0)[:, None, None]
    x = 0.1 * jax.random.normal(key, (n, T, 1)) + jnp.where(large, 1.0, 0.0)
    return x, jnp.abs(jnp.sum(x, axis=(1, 2)))


def init(key):
    """Draw all weights."""
    W, U, v = (
        jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), SHAPES, strict=True)
    )
    return {"W": 0.9 * W / N**0.5, "U": 0.1 * U, "v": v / N**0.5}


def loss(params, example):
    """Return the loss of one sequence."""
    x, y = example

    def step(h, x_t):
        return jnp.tanh(params["W"] @ h + params["U"] @ x_t), None

    h = jax.lax.scan(step, jnp.zeros(N), x)[0]
    return (params["v"] @ h - y) ** 2


def clipped(grads):
    """Return the gradient at a norm of at most LIMIT."""
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(grads)))
    return jax.tree.map(lambda g: g * jnp.minimum(1, LIMIT / norm), grads)


def update_direction(params, examples):
    """Return the mean over the examples."""
    each = jax.vmap(jax.grad(loss), (None, 0))(params, examples)
    return jax.tree.map(lambda g: jnp.mean(g, axis=0), jax.vmap(clipped)(each))


def train_step(params, examples):
    """Return the weights after one update."""
    return jax.tree.map(lambda w, g: w - RATE * g, params, update_direction(params, examples))


params, examples = init(jax.random.key(0)), batch(jax.random.key(1))
