"""White noise: inputs without any structure, for measuring transport alone."""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import squared_error
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch


@fields.dataclass
class WhiteNoise:
    """Independent standard normal inputs; the target, due at every step, is noise as well.

    The mask is 1/T at every step: the loss of a sequence is the mean over its steps.

    Attributes:
      length: T.
      n_x: inputs.
      n_y: targets.
      scale: standard deviation of the inputs.
    """

    length: int = fields.count(default=256)
    n_x: int = fields.count(default=8)
    n_y: int = fields.count(default=1)
    scale: Array | float = fields.number(default=1.0, at_least=0)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        noise = jax.random.normal(key, (self.length, self.n_x + self.n_y))
        return Batch(
            x=self.scale * noise[:, : self.n_x],
            y=noise[:, self.n_x :],
            mask=jnp.full(self.length, 1 / self.length),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the squared error."""
        return squared_error(y_hat, y)
