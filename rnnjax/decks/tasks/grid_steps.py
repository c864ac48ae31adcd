"""Steps on a grid: a thing moves from cell to cell in a straight line; which cell is next?

Two cells are seen, one-hot, and the third is the answer. Every straight line of three cells, in
each of the 8 directions, is one sequence: 96 on the 5 x 5 grid, 200 on the torus. Who sees the two
cells without their order may find two answers (see `rnnjax.theory.nowcasting`).
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.theory import nowcasting
from rnnjax.types import Array, Batch


@fields.dataclass
class GridSteps:
    """Steps on a grid; n_x = n_y = side^2, the loss falls due at T = 2.

    Attributes:
      side: cells in a row and rows, at least 3.
      torus: whether a line that leaves the grid comes back on the other side.
    """

    side: int = fields.count(default=5, at_least=3)
    torus: bool = fields.flag(default=False)
    length = 2

    @property
    def n_x(self) -> int:
        """Cells."""
        return self.side**2

    n_y = n_x

    def sequences(self) -> Batch:
        """Return every sequence, leaves (B, 2, ...)."""
        lines = jnp.asarray(nowcasting.straight_lines(self.side, self.torus))
        cells = jax.nn.one_hot(lines, self.n_x)
        mask = jnp.tile(jnp.array([0.0, 1.0]), (len(lines), 1))
        return Batch(cells[:, :2], cells[:, 2:].repeat(2, axis=1), mask)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence, uniformly."""
        every = self.sequences()
        n = jax.random.randint(key, (), 0, len(every.mask))
        return jax.tree.map(lambda a: a[n], every)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
