"""Delayed exclusive or: two bits far apart, and whether they differ.

A bit, shown as +1 or -1 for one step, a silent delay, another bit, another delay, and at the last
step the answer: same or different. Neither bit alone says anything, so below ln 2 lies only what
was kept *and* combined. The temporal exclusive-or of Kim, Li and Sejnowski, Simple framework for
constructing functional spiking recurrent neural networks, PNAS, 2019, with one step a stimulus; a
test of learning rules in Liu, Smith, Mihalas, Shea-Brown and Sumbul, Biologically-plausible
backpropagation through arbitrary timespans via local neuromodulators, NeurIPS 2022.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

CHANCE = math.log(2)


@fields.dataclass
class DelayedXOR:
    """Delayed exclusive or; n_x = 1, n_y = 2 (same, different), the loss falls due at T.

    Attributes:
      delay: steps from the second bit to the answer, static, not negative.
      distance: steps from the first bit to the second, static, positive.
    """

    delay: int = fields.count(default=5, at_least=0)
    distance: int = fields.count(default=5)
    n_x = 1
    n_y = 2

    @property
    def length(self) -> int:
        """T."""
        return 1 + self.distance + self.delay

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        bits = jax.random.bernoulli(key, shape=(2,))
        places = jnp.array([0, self.distance])
        answer = (bits[0] != bits[1]).astype(int)
        return Batch(
            x=jnp.zeros(self.length).at[places].set(2.0 * bits - 1)[:, None],
            y=jnp.tile(jax.nn.one_hot(answer, self.n_y), (self.length, 1)),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
