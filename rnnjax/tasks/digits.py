"""Handwritten digits as sequences: real input.

The 1,797 images of 8 x 8 pixels that scikit-learn carries (Alpaydin and Kaynak, Optical recognition
of handwritten digits, UCI Machine Learning Repository, 1998), read pixel by pixel (T = 64, n_x = 1)
or row by row (T = 8, n_x = 8). The class is due at the last step.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, Number, arguments
from rnnjax.sequences.images import digits_table
from rnnjax.types import Array, Batch

_SIDE = 8
_MAX_INK = 16.0


@cache
def _images() -> tuple[np.ndarray, np.ndarray]:
    """Return images (1797, 64) with ink in [0, 1] and labels (1797,)."""
    table = digits_table("task digits")
    return (table[:, :-1] / _MAX_INK).astype(np.float32), table[:, -1].astype(int)


@fields.dataclass
class Digits:
    """Handwritten digits; n_y = 10, the loss falls due at T.

    Attributes:
      by_rows: row by row (T = 8, n_x = 8) instead of pixel by pixel (T = 64, n_x = 1).
    """

    by_rows: bool = fields.flag(default=False)
    n_y = 10

    @property
    def length(self) -> int:
        """T."""
        return _SIDE if self.by_rows else _SIDE**2

    @property
    def n_x(self) -> int:
        """Inputs."""
        return _SIDE if self.by_rows else 1

    @property
    def n_images(self) -> int:
        """The number of images."""
        return len(_images()[1])

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one image, uniformly."""
        return self.image(jax.random.randint(key, (), 0, self.n_images))

    @arguments(index=Number(at_least=0, whole=True))
    def image(self, index: Array | int) -> Batch:
        """Return the image of this index, 0 to 1796 (a larger index gives the last image)."""
        images, labels = _images()
        x = jnp.asarray(images)[index].reshape(self.length, self.n_x)
        return Batch(
            x=x.astype(jnp.result_type(float)),
            y=jnp.tile(jax.nn.one_hot(jnp.asarray(labels)[index], self.n_y), (self.length, 1)),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
