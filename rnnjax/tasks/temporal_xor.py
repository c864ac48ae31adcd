"""Temporal exclusive or: at every step, whether the inputs d and 2 d steps ago differ.

  y_t = |s_{t-d} - s_{t-2d}|,   s_t in {0, 1}                                    (1)

The loss falls due at every step behind the first 2 d, so that each sequence asks T - 2 d times; the
delay d says how far a gradient must reach. The delayed exclusive or of Engelken, Gradient flossing:
improving gradient descent through dynamic control of Jacobians, NeurIPS 2023.
"""

import math

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.types import Array, Batch

CHANCE = math.log(2)


@struct.dataclass
class TemporalXOR:
    """Temporal exclusive or, equation (1); n_x = 1, n_y = 1, a logit.

    Attributes:
      delay: d, at least 1; may be traced.
      length: T, more than 2 d, static.
    """

    delay: Array | int = 5
    length: int = struct.field(pytree_node=False, default=50)
    n_x = 1
    n_y = 1

    def __post_init__(self) -> None:
        if isinstance(self.delay, int) and not 1 <= 2 * self.delay < self.length:
            raise ValueError(
                "delay: expected at least 1 step, and a sequence of more than two delays, got "
                f"delay={self.delay}, length={self.length}"
            )

    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        return self.sequence(jax.random.bernoulli(key, shape=(self.length,)))

    def sequence(self, bits: Array) -> Batch:
        """Return the sequence of given inputs, (T,), booleans or 0 and 1."""
        bits = bits.astype(float)
        once, twice = (jnp.roll(bits, n * self.delay) for n in (1, 2))
        due = jnp.arange(self.length) >= 2 * self.delay
        answer = jnp.where(due, jnp.abs(once - twice), 0)
        return Batch(x=bits[:, None], y=answer[:, None], mask=due.astype(float))

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy of a logit in nats."""
        return jnp.sum(jax.nn.softplus(y_hat) - y * y_hat)
