"""Steps on a grid: a thing moves from cell to cell in a straight line; which cell is next?

Two cells are seen, one-hot, and the third is the answer. Every straight line of three cells, in
each of the 8 directions, is one sequence: 96 on the 5 x 5 grid, 200 on the torus. Who sees the two
cells without their order may find two answers (see `rnnjax.theory.nowcasting`).
"""

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax.losses import cross_entropy
from rnnjax.theory import nowcasting
from rnnjax.types import Array, Batch


@struct.dataclass
class GridSteps:
    """Steps on a grid; n_x = n_y = side^2, the loss falls due at T = 2.

    Attributes:
      side: cells in a row and rows, at least 3.
      torus: whether a line that leaves the grid comes back on the other side.
    """

    side: int = struct.field(pytree_node=False, default=5)
    torus: bool = struct.field(pytree_node=False, default=False)
    length = 2

    def __post_init__(self) -> None:
        if self.side < 3:
            raise ValueError(f"side: expected at least 3 cells, got {self.side}")

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

    def sample(self, key: Array) -> Batch:
        """Draw one sequence, uniformly."""
        every = self.sequences()
        n = jax.random.randint(key, (), 0, len(every.mask))
        return jax.tree.map(lambda a: a[n], every)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
