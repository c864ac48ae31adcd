"""Temporal order as it was first set.

Eight symbols, one-hot: X and Y carry the message, a, b, c and d distract, E stands at the first
step and B at the last one. One message symbol stands at a step of T/10 to 2T/10, another at one of
5T/10 to 6T/10; the class (XX, XY, YX or YY) is due at the last step. Hochreiter and Schmidhuber,
Long short-term memory, Neural Computation, 1997, experiment 6a.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

_N_MESSAGE, _BEGIN, _END = 2, 6, 7


@fields.dataclass
class TemporalOrder1997:
    """Temporal order of 1997; n_x = 8, n_y = 4, the loss falls due at the end.

    Attributes:
      shortest: T, at least 20; the length of a sequence is uniform from T to 1.1 T.
    """

    shortest: int = fields.count(default=100, at_least=20)
    n_x = 8
    n_y = 4

    @property
    def length(self) -> int:
        """The longest sequence."""
        return self.shortest + self.shortest // 10

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence; what stands behind its end does not count."""
        T, keys = self.shortest, jax.random.split(key, 4)
        length = jax.random.randint(keys[0], (), T, self.length + 1)
        message = jax.random.randint(keys[1], (2,), 0, _N_MESSAGE)
        first, last = jnp.array([T // 10, T // 2]), jnp.array([T // 5, 6 * T // 10])
        places = jax.random.randint(keys[2], (2,), first, last + 1)
        shown = jax.random.randint(keys[3], (self.length,), _N_MESSAGE, _BEGIN)
        shown = shown.at[places].set(message).at[0].set(_BEGIN).at[length - 1].set(_END)
        answer = jax.nn.one_hot(_N_MESSAGE * message[0] + message[1], self.n_y)
        return Batch(
            x=jax.nn.one_hot(shown, self.n_x),
            y=jnp.broadcast_to(answer[None], (self.length, self.n_y)),
            mask=(jnp.arange(self.length) == length - 1).astype(float),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
