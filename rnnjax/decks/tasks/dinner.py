"""What is for dinner: a cycle of three dinners, of which some nights are missed.

Pizza is followed by sushi, sushi by waffles, waffles by pizza. With dinners as unit vectors, night
by night,

  dinner_t = P dinner_{t-1},   P^3 = I                               (1)

The input of step t is what was eaten the night before, or zeros where that night was missed; the
target is the dinner of tonight. A network that must answer on nights after missed ones can only go
on from its own prediction. After Brandon Rohrer, How recurrent neural networks and long short-term
memory work, e2eml.school, 2017.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

DINNERS = ("pizza", "sushi", "waffles")
# P of equation (1): column j has its one in the row of the dinner that follows dinner j.
CYCLE = np.roll(np.eye(len(DINNERS)), 1, axis=0)


def one_hot(name: str, names: tuple[str, ...]) -> np.ndarray:
    """Return the unit vector that stands for a name among names, (n,).

    Raises:
      ValueError: the name is not among the names.
    """
    if name not in names:
        raise ValueError(f"name: expected one of {', '.join(names)}, got {name!r}")
    return np.eye(len(names))[names.index(name)]


@fields.dataclass
class Dinner:
    """Tonight's dinner from last night's, where that is known; n_x = n_y = 3.

    Attributes:
      length: T, nights.
      missed: probability that a night was missed; what was eaten before the first is known.
    """

    length: int = fields.count(default=15)
    missed: Array | float = fields.number(default=0.5, at_least=0, at_most=1)
    n_x = len(DINNERS)
    n_y = len(DINNERS)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw the dinner before the first night, and which nights are missed."""
        key_first, key_known = jax.random.split(key)
        known = jax.random.bernoulli(key_known, 1 - self.missed, (self.length,))
        first = jax.random.randint(key_first, (), 0, len(DINNERS))
        return self.sequence(first, known.at[0].set(True))

    def sequence(self, first: Array | int, known: Array) -> Batch:
        """Return the sequence that begins after a given dinner.

        Args:
          first: the dinner of the night before the first step, an index of `DINNERS`.
          known: whether the input of a step is known, bool (T,).
        """
        eaten = jax.nn.one_hot((first + jnp.arange(self.length + 1)) % len(DINNERS), len(DINNERS))
        return Batch(
            x=jnp.where(known[:, None], eaten[:-1], 0),
            y=eaten[1:],
            mask=jnp.full(self.length, 1 / self.length),
        )

    def away(self, first: Array | int) -> Batch:
        """Return the sequence of one who knows a single dinner and then misses every night."""
        return self.sequence(first, jnp.arange(self.length) == 0)

    def every_sequence(self) -> Batch:
        """Return every dinner to begin with and every choice of missed nights once.

        Returns:
          leaves (3 * 2^(T-1), T, ...).
        """
        choices = itertools.product((True, False), repeat=self.length - 1)
        known = jnp.array([(True, *choice) for choice in choices])
        of_one_start = jax.vmap(self.sequence, (None, 0))
        sequences = jax.vmap(of_one_start, (0, None))(jnp.arange(len(DINNERS)), known)
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), sequences)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
