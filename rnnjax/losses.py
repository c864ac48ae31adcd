"""Losses of one step, for tasks to choose from."""

import jax
import jax.numpy as jnp

from rnnjax.types import Array


def squared_error(y_hat: Array, y: Array) -> Array:
    """Return sum_i |y_hat_i - y_i|^2, (), for values (n_y,).

    Raises:
      ValueError: the shapes differ.
    """
    _require_one_shape(y_hat, y)
    difference = y_hat - y
    if jnp.iscomplexobj(difference):
        return jnp.sum(difference.real**2 + difference.imag**2)
    return jnp.sum(difference**2)


def cross_entropy(y_hat: Array, y: Array) -> Array:
    """Return -sum_i y_i log softmax(y_hat)_i in nats, (), for logits and probabilities (n_y,).

    An integer y, (), is the number of the class whose probability is 1; NaN if there is none.

    Raises:
      ValueError: the shapes differ.
    """
    log_p = jax.nn.log_softmax(y_hat)
    if jnp.ndim(y) == 0 and jnp.issubdtype(jnp.result_type(y), jnp.integer):
        there = (y >= 0) & (y < y_hat.shape[-1])
        return jnp.where(there, -log_p[jnp.where(there, y, 0)], jnp.nan)
    _require_one_shape(y_hat, y)
    # A class without probability costs nothing, even one whose logit is -inf.
    is_out = (y == 0) & jnp.isneginf(log_p)
    return -jnp.sum(y * jnp.where(is_out, 0, log_p))


def _require_one_shape(y_hat: Array, y: Array) -> None:
    if jnp.shape(y_hat) != jnp.shape(y):
        message = f"expected the shape of y_hat, {jnp.shape(y_hat)}, got {jnp.shape(y)}"
        raise ValueError(f"y: {message}")
