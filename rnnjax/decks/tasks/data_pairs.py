"""A table of data pairs with a constant input, an input that is known for all time, and a memory.

Every pair has an amount i1 that is constant in time, a schedule i2_t, and two outputs:

  r_t = r_{t-1} + (0.1 + 0.4 i1) i2_t (0.9 - r_{t-1}),   r_0 = 0.1               (1)
  q_t = 0.1 + 0.8 i2_t r_{t-1} / 0.9                                             (2)

r accumulates, so it is what has to be fed back (the third input, i3_t = r_{t-1}); q needs it. Both
stay in [0.1, 0.9], where a logistic output can reach them. Nine amounts, three strengths and three
shapes (rising, flat, falling) of the schedule make 81 pairs, of which a balanced third is used for
training and the rest is held out: every amount, strength and shape is seen equally often.

The layout is that of the spreadsheet in C. Yuan's slides on RNNs, 2022 (i1 fixed for all time, i2
changing with time, i3 from the previous step; more data sets than are used for training), and the
counts are those of Yuan and Lee, Solder joint reliability modeling by sequential artificial neural
network for glass wafer level chip scale package, IEEE Access 8, 2020. The numbers are made here.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

_N_AMOUNTS = 9
_STRENGTHS = (0.3, 0.6, 0.9)
_N_SHAPES = 3
START = 0.1  # r_0


@fields.dataclass
class DataPairs:
    """81 pairs of equations (1) and (2); n_x = 2 (i1, i2), n_y = 2 (q, r): the last is fed back.

    Attributes:
      length: T.
    """

    length: int = fields.count(default=5)
    n_x = 2
    n_y = 2

    def pairs(self) -> Batch:
        """Return all pairs, leaves (81, T, ...)."""
        x, y = _table(self.length)
        return Batch(jnp.asarray(x), jnp.asarray(y), jnp.ones(x.shape[:2]))

    def training(self) -> Batch:
        """Return the pairs used for training, leaves (27, T, ...)."""
        return jax.tree.map(lambda a: a[used()], self.pairs())

    def held_out(self) -> Batch:
        """Return the pairs kept back, leaves (54, T, ...)."""
        return jax.tree.map(lambda a: a[~used()], self.pairs())

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one of the pairs used for training."""
        training = self.training()
        n = jax.random.randint(key, (), 0, len(training.mask))
        return jax.tree.map(lambda a: a[n], training)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return half the squared distance: its gradient with respect to y_hat is the error."""
        return 0.5 * jnp.sum((y_hat - y) ** 2)


def used() -> np.ndarray:
    """Return which of the 81 pairs are used for training, (81,) bool."""
    levels = itertools.product(range(_N_AMOUNTS), range(len(_STRENGTHS)), range(_N_SHAPES))
    return np.array([sum(level) % 3 == 0 for level in levels])


def _table(n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (81, T, 2) and outputs (81, T, 2) of every pair."""
    ramp = np.arange(1, n_steps + 1) / n_steps
    shapes = (ramp, np.full(n_steps, 0.5 + 0.5 / n_steps), ramp[::-1])
    amounts = np.linspace(0.1, 0.9, _N_AMOUNTS)
    pairs = [_pair(a, s * f) for a, s, f in itertools.product(amounts, _STRENGTHS, shapes)]
    x, y = zip(*pairs, strict=True)
    return np.stack(x), np.stack(y)


def _pair(amount: float, schedule: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r, outputs = START, []
    for i2 in schedule:
        q = 0.1 + 0.8 * i2 * r / 0.9
        r = r + (0.1 + 0.4 * amount) * i2 * (0.9 - r)
        outputs.append((q, r))
    return np.column_stack([np.full(len(schedule), amount), schedule]), np.array(outputs)
