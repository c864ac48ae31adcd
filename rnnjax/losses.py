"""Losses of one step, for tasks to choose from."""

import jax
import jax.numpy as jnp

from rnnjax.ranges import refusal
from rnnjax.types import Array


def squared_error(y_hat: Array, y: Array) -> Array:
    """Return sum_i |y_hat_i - y_i|^2, (), for values (n_y,).

    Raises:
      ValueError: the shapes differ.
    """
    require_one_shape(y_hat, y)
    difference = _inexact(y_hat) - _inexact(y)
    if jnp.iscomplexobj(difference):
        return jnp.sum(difference.real**2 + difference.imag**2)
    return jnp.sum(difference**2)


def cross_entropy(y_hat: Array, y: Array) -> Array:
    """Return -sum_i y_i log softmax(y_hat)_i in nats, (), for logits and probabilities (n_y,).

    An integer y, (), is the number of the class whose probability is 1; NaN if there is none. Value
    and gradient keep their digits for an answer that is all but certain.

    Raises:
      ValueError: the shapes differ, or logits are complex.
    """
    y_hat = _inexact(y_hat)
    if jnp.iscomplexobj(y_hat):
        raise refusal("y_hat", "real logits", y_hat.dtype, shown_by=str)
    # Through an operation: a NumPy array that `vmap` has wrapped is no argument of a function with
    # a derivative rule in a program that is traced.
    log_p = _log_softmax(y_hat + 0)
    if jnp.ndim(y) == 0 and jnp.issubdtype(jnp.result_type(y), jnp.integer):
        there = (y >= 0) & (y < y_hat.shape[-1])
        return jnp.where(there, -log_p[jnp.where(there, y, 0)], jnp.nan)
    require_one_shape(y_hat, y)
    # A class without probability costs nothing, even one whose logit is -inf.
    is_out = (y == 0) & jnp.isneginf(log_p)
    return -jnp.sum(y * jnp.where(is_out, 0, log_p))


def require_one_shape(y_hat: Array, y: Array) -> None:
    """Refuse targets that would be broadcast.

    Raises:
      ValueError: the shapes differ.
    """
    if jnp.shape(y_hat) != jnp.shape(y):
        message = f"expected the shape of y_hat, {jnp.shape(y_hat)}, got {jnp.shape(y)}"
        raise ValueError(f"y: {message}")


def _inexact(values: Array) -> Array:
    """Return numbers as floats if they are integers or truth values, which would overflow."""
    values = jnp.asarray(values)
    return values if jnp.issubdtype(values.dtype, jnp.inexact) else values.astype(float)


@jax.custom_jvp
def _log_softmax(logits: Array) -> Array:
    """Return ln p of each class, (..., n_y)."""
    return _shares(logits)[0]


@_log_softmax.defjvp
def _moved(logits: tuple[Array], by: tuple[Array]) -> tuple[Array, Array]:
    """Return ln p_i and dx_i - sum_j p_j dx_j, made of 1 - p_i and the p_j of the others."""
    log_p, p, others = _shares(logits[0])
    moved = p * by[0]
    return log_p, others * by[0] - (jnp.sum(moved, axis=-1, keepdims=True) - moved)


def _shares(logits: Array) -> tuple[Array, Array, Array]:
    """Return ln p, p and 1 - p of each class, none as a difference of almost equal numbers."""
    is_top = jax.nn.one_hot(jnp.argmax(logits, axis=-1), logits.shape[-1], dtype=bool)
    top = jnp.sum(jnp.where(is_top, logits, 0), axis=-1, keepdims=True)
    odds = jnp.exp(logits - top)  # to the most likely class
    rest = jnp.sum(jnp.where(is_top, 0, odds), axis=-1, keepdims=True)
    p = odds / (1 + rest)
    return logits - top - jnp.log1p(rest), p, jnp.where(is_top, rest / (1 + rest), 1 - p)
