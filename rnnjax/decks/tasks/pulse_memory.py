"""One pulse to remember until the end: the task in which a fed-back output has to be a memory.

The second input is 1 or 0 at t = 1 and 0 afterwards; at t = T the first output must be 0.9 or 0.1.
Nothing is asked of the second output, which is what a Jordan network may feed back: only a gradient
that goes back through it can make a memory of it. Always answering 0.5 costs 0.08.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

CHANCE = 0.08


@fields.dataclass
class PulseMemory:
    """The pulse memory task; n_x = 2 (a constant 1, the pulse), n_y = 2 (asked, not asked).

    Attributes:
      length: T, at least 2.
    """

    length: int = fields.count(default=3, at_least=2)
    n_x = 2
    n_y = 2

    def pairs(self) -> Batch:
        """Return the two sequences, without and with a pulse, leaves (2, T, ...)."""
        return jax.vmap(self._sequence)(jnp.array([0.0, 1.0]))

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one of the two."""
        return self._sequence(jax.random.bernoulli(key).astype(float))

    def _sequence(self, pulse: Array) -> Batch:
        first, last = (jnp.zeros(self.length).at[t].set(1.0) for t in (0, -1))
        x = jnp.stack([jnp.ones(self.length), pulse * first], axis=1)
        y = jnp.zeros((self.length, 2)).at[:, 0].set(0.1 + 0.8 * pulse)
        return Batch(x=x, y=y, mask=last)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return half the squared error of the first output."""
        return 0.5 * (y_hat[0] - y[0]) ** 2
