"""The adding problem as it was first set.

Every input is (value, mark), values uniform in [-1, 1]. Two steps are marked by 1, one among the
first ten and one in the first half; the first and the last step by -1. The target, due at the last
step, is 1/2 plus a quarter of the sum of the two marked values; one at the first step counts as 0.
Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997, experiment 4.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import squared_error
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch


@fields.dataclass
class Adding1997:
    """The adding problem of 1997; n_x = 2, n_y = 1, the loss falls due at the end.

    Attributes:
      shortest: T, at least 20; the length of a sequence is uniform from T to 1.1 T.
    """

    shortest: int = fields.count(default=100, at_least=20)
    n_x = 2
    n_y = 1

    @property
    def length(self) -> int:
        """The longest sequence."""
        return self.shortest + self.shortest // 10

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence; what stands behind its end does not count."""
        keys = jax.random.split(key, 4)
        length = jax.random.randint(keys[0], (), self.shortest, self.length + 1)
        values = jax.random.uniform(keys[1], (self.length,), minval=-1.0, maxval=1.0)
        first = jax.random.randint(keys[2], (), 0, 10)
        n = self.shortest // 2 - 1  # of which the first mark may be one, unless T is 20 or 21
        second = jax.random.randint(keys[3], (), 0, n - (first < n))
        second = second + (second >= first)
        steps = jnp.arange(self.length)
        values = jnp.where((jnp.minimum(first, second) == 0) & (steps == 0), 0, values)
        marks = jnp.zeros_like(values).at[jnp.stack([first, second])].set(1.0)
        marks = marks.at[0].set(-1.0).at[length - 1].set(-1.0)
        return Batch(
            x=jnp.stack([values, marks], axis=1),
            y=jnp.full((self.length, 1), 0.5 + (values[first] + values[second]) / 4),
            mask=(steps == length - 1).astype(float),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the squared error."""
        return squared_error(y_hat, y)
