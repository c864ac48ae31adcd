"""Copy: show items, wait, and have them told back in order.

  x: item_1 .. item_S, delay - 1 blanks, go, S blanks          (1)   S items of n_symbols kinds
  y: S + delay blanks, item_1 .. item_S                        (2)

Hochreiter and Schmidhuber, Long short-term memory, Neural Computation, 1997, in the form of
Arjovsky, Shah and Bengio, Unitary evolution recurrent neural networks, ICML 2016 (their S = 10,
n_symbols = 8). Without memory of the items the least cross-entropy is S ln n_symbols a sequence.

The delay may be traced, in sequences that have room for a longer one: what comes behind the answer
is blank and has no loss. A curriculum of growing delays is then one program.
"""

import math

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, Number, arguments
from rnnjax.types import Array, Batch


@fields.dataclass
class Copy:
    """Copy; n_x = n_symbols + 2 (the items, blank, go), n_y = n_symbols + 1 (the items, blank).

    Attributes:
      n_symbols: kinds of items, static.
      n_items: S, static.
      delay: steps from the last item to go, at least 1; may be traced.
      longest: the delay that sequences have room for, static; `delay` itself if None.
      blanks: whether the blanks of equation (2) count, as in the paper, or the answer alone,
        static.
    """

    n_symbols: int = fields.count(default=8)
    n_items: int = fields.count(default=10)
    delay: Array | int = fields.whole(default=20)
    longest: int | None = fields.count(default=None, optional=True)
    blanks: bool = fields.flag(default=True)

    def __post_init__(self) -> None:
        if self.longest is not None:
            Number(at_least=1, at_most=self.longest, whole=True).checked("delay", self.delay)

    @property
    def length(self) -> int:
        """T."""
        longest = self.delay if self.longest is None else self.longest
        if isinstance(longest, jax.core.Tracer):
            raise ValueError("longest: expected the longest delay, because delay is traced")
        return int(longest) + 2 * self.n_items

    @property
    def n_x(self) -> int:
        """Inputs."""
        return self.n_symbols + 2

    @property
    def n_y(self) -> int:
        """Outputs."""
        return self.n_symbols + 1

    @property
    def floor(self) -> Array | float:
        """Mean loss of a step that counts, in nats, at best without memory of the items."""
        n_silent = self.delay + self.n_items if self.blanks else 0
        return self.n_items * math.log(self.n_symbols) / (n_silent + self.n_items)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        items = jax.random.randint(key, (self.n_items,), 0, self.n_symbols)
        blank, go = self.n_symbols, self.n_symbols + 1
        t = jnp.arange(self.length)
        answered = t - (self.n_items + self.delay)  # which item is to be told at step t
        answering = (answered >= 0) & (answered < self.n_items)
        shown = jnp.where(t < self.n_items, items[jnp.minimum(t, self.n_items - 1)], blank)
        recalled = jnp.where(answering, items[jnp.clip(answered, 0, self.n_items - 1)], blank)
        counted = answered < self.n_items if self.blanks else answering
        return Batch(
            x=jax.nn.one_hot(jnp.where(answered == -1, go, shown), self.n_x),
            y=jax.nn.one_hot(recalled, self.n_y),
            mask=counted.astype(float),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
