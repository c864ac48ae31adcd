"""Losses of one step, for tasks to choose from."""

import jax
import jax.numpy as jnp

from rnnjax.types import Array


def squared_error(y_hat: Array, y: Array) -> Array:
    """Return sum_i (y_hat_i - y_i)^2, (), for values (n_y,)."""
    return jnp.sum((y_hat - y) ** 2)


def cross_entropy(y_hat: Array, y: Array) -> Array:
    """Return -sum_i y_i log softmax(y_hat)_i in nats, (), for logits and probabilities (n_y,)."""
    return -jnp.sum(y * jax.nn.log_softmax(y_hat))
