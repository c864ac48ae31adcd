"""Temporal exclusive or: at every step, whether the inputs d and 2 d steps ago differ.

  y_t = |s_{t-d} - s_{t-2d}|,   s_t in {0, 1}                                    (1)

The loss falls due at every step behind the first 2 d, so that each sequence asks T - 2 d times; the
delay d says how far a gradient must reach. The delayed exclusive or of Engelken, Gradient flossing:
improving gradient descent through dynamic control of Jacobians, NeurIPS 2023.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import require_one_shape
from rnnjax.ranges import KEY, Number, arguments, refusal
from rnnjax.tasks.modular_counting import check_known
from rnnjax.types import Array, Batch

CHANCE = math.log(2)


@fields.dataclass
class TemporalXOR:
    """Temporal exclusive or, equation (1); n_x = 1, n_y = 1, a logit.

    Attributes:
      delay: d, at least 1 and less than half of T; may be traced.
      length: T, at least 3, static.
    """

    delay: Array | int = fields.whole(default=5)
    length: int = fields.count(default=50, at_least=3)
    n_x = 1
    n_y = 1

    def __post_init__(self) -> None:
        most = (self.length - 1) // 2  # the sequence is longer than two delays
        Number(at_least=1, at_most=most, whole=True).checked("delay", self.delay)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        return self.sequence(jax.random.bernoulli(key, shape=(self.length,)))

    def sequence(self, bits: Array) -> Batch:
        """Return the sequence of given inputs, (T,), booleans or 0 and 1.

        Raises:
          ValueError: there are not T inputs, or, where they are known, one is neither 0 nor 1.
        """
        bits = jnp.asarray(bits).astype(float)
        if bits.shape != (self.length,):
            raise refusal("bits", f"{self.length} bits", bits.shape)
        check_known("bits", bits, (0, 1))
        once, twice = (jnp.roll(bits, n * self.delay) for n in (1, 2))
        due = jnp.arange(self.length) >= 2 * self.delay
        answer = jnp.where(due, jnp.abs(once - twice), 0)
        return Batch(x=bits[:, None], y=answer[:, None], mask=due.astype(float))

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy of a logit in nats."""
        require_one_shape(y_hat, y)
        # Not softplus(y_hat) - y y_hat, which has no digits left where the answer is certain.
        return jnp.sum(y * jax.nn.softplus(-y_hat) + (1 - y) * jax.nn.softplus(y_hat))

    @staticmethod
    def share_right(outputs: Array, batches: Batch) -> Array:
        """Return the share of the answers that are right, over all steps at which one is due.

        Args:
          outputs: logits, (n, T, 1).
          batches: the sequences, leaves (n, T, ...).
        """
        right = (outputs > 0) == (batches.y > 0.5)
        return jnp.sum(right[..., 0] * batches.mask) / jnp.sum(batches.mask)


def without_answers(bits: Array) -> Batch:
    """Return inputs like those of the task, (..., T), with every target 0."""
    x = bits.astype(float)[..., None]
    return Batch(x, jnp.zeros_like(x), jnp.ones_like(x[..., 0]))
