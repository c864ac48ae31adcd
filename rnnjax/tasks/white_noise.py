"""White noise: inputs without any structure, for measuring transport alone."""

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.losses import squared_error
from rnnjax.types import Array, Batch


@struct.dataclass
class WhiteNoise:
    """Independent standard normal inputs; the target, due at every step, is noise as well.

    The mask is 1/T at every step: the loss of a sequence is the mean over its steps.

    Attributes:
      length: T.
      n_x: inputs.
      n_y: targets.
      scale: standard deviation of the inputs.
    """

    length: int = struct.field(pytree_node=False, default=256)
    n_x: int = struct.field(pytree_node=False, default=8)
    n_y: int = struct.field(pytree_node=False, default=1)
    scale: Array | float = 1.0

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
