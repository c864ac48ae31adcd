"""Delayed recall: a symbol at the first step, noise at all others, and which symbol it was.

  x_1 = e_s,   x_t = noise N(0, I) for t = 2, ..., T,   y = s, due at T          (1)

No later input says anything about s, so below ln n_symbols lies only what was kept for T - 1 steps
against the noise. After the latch problem of Bengio, Simard and Frasconi, Learning long-term
dependencies with gradient descent is difficult, IEEE Transactions on Neural Networks, 1994, which
has two classes in one input.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.types import Array, Batch


@fields.dataclass
class DelayedRecall:
    """Delayed recall, equation (1); n_x = n_y = n_symbols, the loss falls due at T.

    Attributes:
      n_symbols: kinds of symbols, static.
      length: T, the symbol and T - 1 steps of noise, at least 2, static.
      noise: standard deviation of the noise; may be traced.
    """

    n_symbols: int = fields.count(default=4, at_least=2)
    length: int = fields.count(default=20, at_least=2)
    noise: Array | float = fields.number(default=0.2, at_least=0)

    @property
    def n_x(self) -> int:
        """Inputs."""
        return self.n_symbols

    @property
    def n_y(self) -> int:
        """Outputs."""
        return self.n_symbols

    @property
    def chance(self) -> float:
        """Loss of an uninformed answer in nats, ln n_symbols."""
        return math.log(self.n_symbols)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_symbol, key_noise = jax.random.split(key)
        shown = jax.nn.one_hot(
            jax.random.randint(key_symbol, (), 0, self.n_symbols), self.n_symbols
        )
        noise = self.noise * jax.random.normal(key_noise, (self.length, self.n_x))
        return Batch(
            x=noise.at[0].set(shown),
            y=jnp.tile(shown, (self.length, 1)),
            mask=jnp.zeros(self.length).at[-1].set(1.0),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
