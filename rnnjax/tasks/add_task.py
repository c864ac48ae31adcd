"""The add task: a coin whose bias is set by two inputs of the past.

  P(y_t = 1) = 1/2 + 1/2 x_{t-lag_1} - 1/4 x_{t-lag_2},   x ~ Bernoulli(1/2)             (1)

Input and target are one-hot; the loss is a cross-entropy at every step that has both inputs behind
it, and what it can reach tells exactly which lags were learned: see `rnnjax.theory.add_task`, which
also has the sources.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.theory import add_task
from rnnjax.types import Array, Batch


@fields.dataclass
class AddTask:
    """The add task; n_x = 2, n_y = 2, a loss at every step but the first ones.

    Attributes:
      lag_1: the lag that is worth more, at least 1.
      lag_2: the other one, at least 1; the losses begin behind the longer of the two.
      length: T, longer than both lags.
      drawn: whether targets are drawn from equation (1), rather than its probabilities themselves.
        The mean loss over the draws is that against the probabilities, which has less noise.
    """

    lag_1: int = fields.count(default=3)
    lag_2: int = fields.count(default=8)
    length: int = fields.count(default=64, at_least=3)
    drawn: bool = fields.flag(default=True)
    n_x = 2
    n_y = 2

    def __post_init__(self) -> None:
        if self.lag_1 == self.lag_2:
            raise refusal("lag_2", f"a lag other than lag_1 = {self.lag_1}", self.lag_2)
        if self.length <= self._n_waiting:
            longer = f"at least {self._n_waiting + 1} steps, one more than the longer lag"
            raise refusal("length", longer, self.length)

    @property
    def _n_waiting(self) -> int:
        return max(self.lag_1, self.lag_2)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_x, key_y = jax.random.split(key)
        x = jax.random.bernoulli(key_x, shape=(self.length,)).astype(float)
        chance = add_task.probability(_delayed(x, self.lag_1), _delayed(x, self.lag_2))
        drawn = jax.random.bernoulli(key_y, chance).astype(float) if self.drawn else chance
        return Batch(
            x=jnp.stack([1 - x, x], axis=1),
            y=jnp.stack([1 - drawn, drawn], axis=1),
            mask=(jnp.arange(self.length) >= self._n_waiting).astype(float),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)


def _delayed(x: Array, lag: int) -> Array:
    """Return x_{t-lag}, 0 where there is none yet."""
    return jnp.concatenate([jnp.zeros(lag), x[:-lag]])
