"""Two points of a straight way: where is the third?

A point moves on a line with velocity v and is seen twice, at a = m - v/2 and at b = m + v/2. With
its middle m and its velocity independent, and both directions equally likely,

  c   = m + 3v/2 = 2b - a                                                       (1)
  E[c | {a, b}] = m,   E[(c - m)^2] = 9/4 E[v^2]                                (2)

so that without the order of the points nothing is better than the middle, which lies behind
the last point. Here m is uniform in [-3, 3] and |v| in [0.5, 1.5], whence E[v^2] = 13/12.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import squared_error
from rnnjax.ranges import COUNT, KEY, arguments
from rnnjax.types import Array, Batch

REACH = 3.0
SLOWEST, FASTEST = 0.5, 1.5


@fields.dataclass
class TwoPoints:
    """The next point of a straight way, equation (1); n_x = n_y = 1, the loss is due at T = 2."""

    length = 2
    n_x = 1
    n_y = 1

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        middle, size, sign = jax.random.uniform(key, (3,))
        speed = SLOWEST + (FASTEST - SLOWEST) * size
        return self.sequence(REACH * (2 * middle - 1), jnp.where(sign < 0.5, speed, -speed))

    def sequence(self, middle: Array, velocity: Array) -> Batch:
        """Return the sequence with this m and this v, both ()."""
        offsets = jnp.array([-0.5, 0.5, 1.5])
        points = (middle + velocity * offsets)[:, None]
        return Batch(points[:2], points[2:].repeat(2, axis=0), jnp.array([0.0, 1.0]))

    @arguments(n=COUNT)
    def grid(self, n: int) -> Batch:
        """Return an even grid of n places, n speeds and both directions, leaves (2 n^2, 2, ...).

        Means over it are those of the distribution to order 1/n^2.
        """
        even = (jnp.arange(n) + 0.5) / n
        speed = SLOWEST + (FASTEST - SLOWEST) * even
        both = jnp.concatenate([speed, -speed])
        middles, velocities = jnp.meshgrid(REACH * (2 * even - 1), both)
        return jax.vmap(self.sequence)(middles.ravel(), velocities.ravel())

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the squared error."""
        return squared_error(y_hat, y)
