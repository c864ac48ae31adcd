"""Parity: whether the number of ones so far is odd.

  y_t = (s_1 + ... + s_t) mod 2,   s_t in {0, 1}, equally likely                 (1)

`rnnjax.tasks.modular_counting` with m = 2. A linear network solves it by a change of sign at each
one; none whose steps have positive eigenvalues alone solves it at every length. Trained on lengths
3 to 40, ``Parity(shortest=3)``, and tested on 40 to 256, ``Parity(256, shortest=40)``, in Beck et
al., xLSTM: extended long short-term memory, NeurIPS 2024, and in Grazzi, Siems, Zela, Franke,
Hutter and Pontil, Unlocking state-tracking in linear RNNs through negative eigenvalues, ICLR 2025,
arXiv 2411.12537.
"""

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments
from rnnjax.tasks.modular_counting import ModularCounting
from rnnjax.types import Array, Batch


@fields.dataclass
class Parity:
    """Parity, equation (1); n_x = 2, one-hot, or 1, a sign; n_y = 2 (even, odd).

    Attributes:
      length: T, static.
      shortest: the least T, where every sequence has its own, uniform up to `length`; None for one
        T. Static.
      every_step: whether the loss falls due at every step, or at the last one alone, static.
      signs: whether a bit is shown as +1 (one) or -1 (zero) in place of one-hot, static.
    """

    length: int = fields.count(default=40)
    shortest: int | None = fields.count(default=None, optional=True)
    every_step: bool = fields.flag(default=False)
    signs: bool = fields.flag(default=False)
    n_y = 2

    def __post_init__(self) -> None:
        self._counting()  # which refuses a shortest sequence that is longer than the longest

    def _counting(self) -> ModularCounting:
        return ModularCounting(2, self.length, self.shortest, self.every_step)

    @property
    def n_x(self) -> int:
        """Inputs."""
        return 1 if self.signs else 2

    @property
    def chance(self) -> float:
        """Loss of an uninformed answer in nats, ln 2."""
        return self._counting().chance

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        return self._shown(self._counting().sample(key))

    def sequence(self, bits: Array, length: Array | int) -> Batch:
        """Return the sequence of given bits, integers (T,), that ends at a step, from 1."""
        return self._shown(self._counting().sequence(bits, length))

    def _shown(self, batch: Batch) -> Batch:
        x = 2 * batch.x[:, 1:] - 1 if self.signs else batch.x
        return Batch(x, batch.y, batch.mask)

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
