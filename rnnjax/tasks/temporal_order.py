"""Temporal order: which of two symbols came first, and which second.

Six symbols, one-hot: A and B carry the message, four others distract. One message symbol stands at
a step drawn from [T/10, 2T/10), another at one from [5T/10, 6T/10); the class (AA, AB, BA or BB) is
due at the last step. Hochreiter and Schmidhuber, Neural Computation, 1997, experiment 6a, with the
positions of Pascanu, Mikolov and Bengio, ICML 2013.
"""

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.losses import cross_entropy
from rnnjax.types import Array, Batch

_N_MESSAGE = 2


@struct.dataclass
class TemporalOrder:
    """Temporal order; n_x = 6, n_y = 4, the loss falls due at T.

    Attributes:
      length: T, at least 10.
    """

    length: int = struct.field(pytree_node=False, default=50)
    n_x = 6
    n_y = 4

    def __post_init__(self) -> None:
        if self.length < 10:
            raise ValueError(f"length: expected at least 10 steps, got {self.length}")

    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_noise, key_symbols, key_places = jax.random.split(key, 3)
        # The integers of [T/10, 2T/10) and of [5T/10, 6T/10), also where 10 does not divide T.
        first = -(-self.length * jnp.array([1, 5]) // 10)
        behind = -(-self.length * jnp.array([2, 6]) // 10)
        distractors = jax.random.randint(key_noise, (self.length,), _N_MESSAGE, self.n_x)
        symbols = jax.random.randint(key_symbols, (2,), 0, _N_MESSAGE)
        places = jax.random.randint(key_places, (2,), first, behind)
        answer = _N_MESSAGE * symbols[0] + symbols[1]
        return Batch(
            x=jax.nn.one_hot(distractors.at[places].set(symbols), self.n_x),
            y=jnp.tile(jax.nn.one_hot(answer, self.n_y), (self.length, 1)),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
