"""Say at the end of a sequence what its first input was. 32 sequences a batch."""

import jax
import jax.numpy as jnp

N, T, RATE = 16, 20, 0.1
SHAPES = ((N, N), (N, 1), (N,))


def batch(key, n=32):
    """Draw inputs (n, T, 1) and targets (n,)."""
    x = jnp.zeros((n, T, 1)).at[:, 0, 0].set(jax.random.normal(key, (n,)))
    return x, x[:, 0, 0]


def init(key):
    """Draw all weights."""
    W, U, v = (
        jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 3), SHAPES, strict=True)
    )
    return {"W": W / N**0.5, "U": U, "v": v / N**0.5}


def last_state(params, h, x):
    """Return the state after a sequence."""

    def step(h, x_t):
        return 0.95 * h + 0.05 * jnp.tanh(params["W"] @ h + params["U"] @ x_t), None

    return jax.lax.scan(step, h, x)[0]


def batch_loss(params, h, x, y):
    """Return the mean loss of a batch, and its last states."""
    h = jax.vmap(last_state, (None, 0, 0))(params, h, x)
    return jnp.mean((h @ params["v"] - y) ** 2), h


def train(params, batches):
    """Return the weights after one update a batch, and the losses."""
    h, losses = jnp.zeros((32, N)), []
    for x, y in batches:
        (loss, h), grads = jax.value_and_grad(batch_loss, has_aux=True)(params, h, x, y)
        params = jax.tree.map(lambda w, g: w - RATE * g, params, grads)
        losses.append(loss)
    return params, jnp.stack(losses)
