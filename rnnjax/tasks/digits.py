"""Handwritten digits as sequences: real input.

The 1,797 images of 8 x 8 pixels that scikit-learn carries (Alpaydin and Kaynak, Optical recognition
of handwritten digits, UCI Machine Learning Repository, 1998), read pixel by pixel (T = 64, n_x = 1)
or row by row (T = 8, n_x = 8). The class is due at the last step.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch

_SIDE = 8
_MAX_INK = 16.0


@cache
def _images() -> tuple[np.ndarray, np.ndarray]:
    """Return images (1797, 64) with ink in [0, 1] and labels (1797,)."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(
            "task digits: expected the extra 'data' (scikit-learn), which is not installed: "
            "pip install 'rnnjax[data]'"
        )
    # The file is read without importing scikit-learn, which would take longer than a quick sweep.
    table = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    rows = np.loadtxt(table, delimiter=",", dtype=np.float32)
    return rows[:, :-1] / _MAX_INK, rows[:, -1].astype(int)


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
