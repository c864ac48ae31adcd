"""Losses of the outputs of a network: what a diagnosis of given weights carries back.

With s_t what the last layer sends on, y^_t = V s_t + c and L the last step of a sequence,

  transport:   u.s_L with u = (1, ..., 1) / sqrt(n_s)                                      (1)
  last step:   l(y^_L, y)                                                                  (2)
  every step:  sum_t m_t l(y^_t, y_t) / sum_t m_t                                          (3)

l is the mean squared error or the cross entropy in nats.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import cotangents, losses
from rnnjax.diagnosis import network
from rnnjax.types import Array, StepLoss

Loss = Callable[[Any, Mapping[str, Array]], Array]


def mean_squared_error(y_hat: Array, y: Array) -> Array:
    """Return the mean of (y^_i - y_i)^2 over the outputs, ()."""
    return losses.squared_error(y_hat, y) / len(y_hat)


def transport(cell: Any) -> Loss:
    """Return the loss (1) of parameters and an example with ``x`` and ``mask``."""

    def loss(params: Any, example: Mapping[str, Array]) -> Array:
        s = _sent(cell, params, example).at_end
        return jnp.sum(cotangents.unit_cotangent(s) * s)

    return loss


def last_step(cell: Any, step_loss: StepLoss) -> Loss:
    """Return the loss (2) of an example with ``y`` (n_y,), or a label ()."""

    def loss(params: Any, example: Mapping[str, Array]) -> Array:
        s = _sent(cell, params, example).at_end
        return step_loss(network.readout(params, s), example["y"])

    return loss


def every_step(cell: Any, step_loss: StepLoss) -> Loss:
    """Return the loss (3) of an example with ``y`` (T, n_y), or labels (T,)."""

    def loss(params: Any, example: Mapping[str, Array]) -> Array:
        y_hat = jax.vmap(lambda s: network.readout(params, s))(_sent(cell, params, example).by_step)
        m = example["mask"]
        found = jax.vmap(step_loss)(y_hat, example["y"])
        return jnp.sum(jnp.where(m != 0, m * found, 0)) / jnp.sum(m)

    return loss


def _sent(cell: Any, params: Any, example: Mapping[str, Array]) -> network.Sent:
    n = jnp.max(jnp.where(example["mask"] != 0, jnp.arange(len(example["mask"])) + 1, 0))
    counts = jnp.arange(len(example["mask"])) < n
    return network.sent(cell, params, example["x"], counts)
