"""Temporal order: which of two symbols came first, and which second.

Six symbols, one-hot: A and B carry the message, four others distract. One message symbol stands at
a step drawn from [T/10, 2T/10), another at one from [5T/10, 6T/10); the class (AA, AB, BA or BB) is
due at the last step. Hochreiter and Schmidhuber, Neural Computation, 1997, experiment 6a, with the
positions of Pascanu, Mikolov and Bengio, ICML 2013.

Sequences of many lengths are drawn in arrays of one length: distractors follow behind their end.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.types import Array, Batch

_N_MESSAGE = 2


@fields.dataclass
class TemporalOrder:
    """Temporal order; n_x = 6, n_y = 4, the loss falls due at T.

    Attributes:
      length: T, at least 10.
      shortest: the least T, at least 10, where every sequence has its own, uniform up to `length`;
        None for one T.
    """

    length: int = fields.count(default=50, at_least=10)
    shortest: int | None = fields.count(default=None, at_least=10, optional=True)
    n_x = 6
    n_y = 4

    def __post_init__(self) -> None:
        if self.shortest is not None and self.shortest > self.length:
            raise refusal("shortest", f"10 to {self.length} steps", self.shortest)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_noise, key_symbols, key_places = jax.random.split(key, 3)
        length = self._drawn_length(key)
        # The integers of [T/10, 2T/10) and of [5T/10, 6T/10), also where 10 does not divide T.
        first = -(-length * jnp.array([1, 5]) // 10)
        behind = -(-length * jnp.array([2, 6]) // 10)
        distractors = jax.random.randint(key_noise, (self.length,), _N_MESSAGE, self.n_x)
        symbols = jax.random.randint(key_symbols, (2,), 0, _N_MESSAGE)
        places = jax.random.randint(key_places, (2,), first, behind)
        answer = _N_MESSAGE * symbols[0] + symbols[1]
        return Batch(
            x=jax.nn.one_hot(distractors.at[places].set(symbols), self.n_x),
            y=jnp.tile(jax.nn.one_hot(answer, self.n_y), (self.length, 1)),
            mask=jnp.zeros(self.length).at[length - 1].set(1.0),
        )

    def _drawn_length(self, key: Array) -> Array | int:
        if self.shortest is None:
            return self.length
        # The fourth of keys whose first three `sample` takes.
        return jax.random.randint(jax.random.fold_in(key, 3), (), self.shortest, self.length + 1)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
