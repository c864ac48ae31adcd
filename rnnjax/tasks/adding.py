"""The adding problem.

Every input is (value, marker); two steps are marked, one in each half; the target at the last step
is the sum of the two marked values, uniform in [0, 1]. The best constant answer is 1 with squared
error 1/6. After Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997, whose
values are uniform in [-1, 1] and whose marks stand elsewhere.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import squared_error
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch


@fields.dataclass
class Adding:
    """The adding problem; n_x = 2, n_y = 1, the loss falls due at T.

    Attributes:
      length: T, at least 2.
    """

    length: int = fields.count(default=100, at_least=2)
    n_x = 2
    n_y = 1

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_values, key_first, key_second = jax.random.split(key, 3)
        half = self.length // 2
        values = jax.random.uniform(key_values, (self.length,))
        first = jax.random.randint(key_first, (), 0, half)
        second = jax.random.randint(key_second, (), half, self.length)
        marks = jnp.zeros(self.length).at[jnp.array([first, second])].set(1.0)
        return Batch(
            x=jnp.stack([values, marks], axis=1),
            y=jnp.full((self.length, 1), values @ marks),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the squared error."""
        return squared_error(y_hat, y)
