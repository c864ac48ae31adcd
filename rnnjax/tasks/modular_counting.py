"""Modular counting: the sum of all digits so far, modulo m.

  y_t = (s_1 + ... + s_t) mod m,   s_t in {0, ..., m-1}, equally likely          (1)

As long as one digit is unknown every answer is equally likely, so below ln m lies only what has
kept the count of all steps. A linear network counts by turning a state by the angle 2 pi s_t / m:
m = 2 needs a negative eigenvalue, and m = 3 real steps that are not triangular. Grazzi, Siems,
Zela, Franke, Hutter and Pontil, Unlocking state-tracking in linear RNNs through negative
eigenvalues, ICLR 2025, arXiv 2411.12537.

Sequences of many lengths are drawn in arrays of one length: further digits follow behind their end.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import fields
from rnnjax.losses import cross_entropy
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.types import Array, Batch


def check_known(name: str, values: Any, bounds: tuple[int, int]) -> None:
    """Refuse numbers that are not whole or out of a range, unless they are traced."""
    least, most = bounds
    if not isinstance(values, jax.core.Tracer):
        given = np.asarray(values)
        outside = given[~((given >= least) & (given <= most) & (given == np.round(given)))]
        if outside.size:
            raise refusal(name, f"whole numbers from {least} to {most}", outside.flat[0].item())


@fields.dataclass
class ModularCounting:
    """Modular counting, equation (1); n_x = n_y = m, one-hot.

    Attributes:
      modulus: m, static.
      length: T, static.
      shortest: the least T, where every sequence has its own, uniform up to `length`; None for one
        T. Static.
      every_step: whether the loss falls due at every step, or at the last one alone, static.
    """

    modulus: int = fields.count(default=3, at_least=2)
    length: int = fields.count(default=40)
    shortest: int | None = fields.count(default=None, optional=True)
    every_step: bool = fields.flag(default=False)

    def __post_init__(self) -> None:
        if self.shortest is not None and self.shortest > self.length:
            raise refusal("shortest", f"1 to {self.length} steps", self.shortest)

    @property
    def n_x(self) -> int:
        """Inputs."""
        return self.modulus

    @property
    def n_y(self) -> int:
        """Outputs."""
        return self.modulus

    @property
    def chance(self) -> float:
        """Loss of an uninformed answer in nats, ln m."""
        return math.log(self.modulus)

    @arguments(key=KEY)
    def sample(self, key: Array) -> Batch:
        """Draw one sequence."""
        key_digits, key_length = jax.random.split(key)
        digits = jax.random.randint(key_digits, (self.length,), 0, self.modulus)
        if self.shortest is None:
            return self.sequence(digits, self.length)
        length = jax.random.randint(key_length, (), self.shortest, self.length + 1)
        return self.sequence(digits, length)

    def sequence(self, digits: Array, length: Array | int) -> Batch:
        """Return the sequence of given digits, integers (T,), that ends at a step, from 1.

        Raises:
          ValueError: there are not T digits, or, where they are known, one is not below m or the
            last step is not among the T.
        """
        digits = jnp.asarray(digits)
        check_known("digits", digits, (0, self.modulus - 1))
        digits = digits.astype(int)
        if digits.shape != (self.length,):
            raise refusal("digits", f"{self.length} digits", digits.shape)
        if jnp.ndim(length):
            raise refusal("length", "one number", jnp.shape(length))
        check_known("length", length, (1, self.length))
        t = jnp.arange(1, self.length + 1)
        due = t <= length if self.every_step else t == length
        return Batch(
            x=jax.nn.one_hot(digits, self.n_x),
            y=jax.nn.one_hot(jnp.cumsum(digits) % self.modulus, self.n_y),
            mask=due.astype(float),
        )

    def loss(self, y_hat: Array, y: Array) -> Array:
        """Return the cross-entropy in nats."""
        return cross_entropy(y_hat, y)
