"""One logistic unit with a bias, whose answer counts after a number of steps.

  x_t = w s(x_{t-1}) + b,   answer s(x_t),   s the logistic function              (1)

Where w > 4 it has two stable states between two folds, at which x is a fixed point of slope 1. The
closed forms are in `rnnjax.theory.one_unit`. Pascanu, Mikolov and Bengio, On the difficulty of
training recurrent neural networks, ICML 2013; Doya, Bifurcations of recurrent neural networks in
gradient descent learning, 1993.
"""

import jax
import jax.numpy as jnp

from rnnjax import fields
from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.types import Array, Batch

_N_HALVINGS = 60
_FARTHEST = 50.0  # of the fixed points of slope 1 from 0, in either direction


@fields.dataclass
class LogisticUnit:
    """The unit of equation (1), a cell whose input is not used.

    Attributes:
      start: x_0.
    """

    start: Array | float = fields.number(default=0.5)
    n_x = 1
    n_y = 1

    @staticmethod
    @arguments(weight=Number(), bias=Number())
    def at(weight: Array | float, bias: Array | float) -> dict[str, Array]:
        """Return the parameters w and b."""
        return {"w": jnp.asarray(weight, float), "b": jnp.asarray(bias, float)}

    @arguments(weight=Number())
    def wall(self, weight: Array | float) -> dict[str, Array]:
        """Return the parameters with which x_0 is a fixed point."""
        return self.at(weight, self.start - weight * jax.nn.sigmoid(self.start))

    def initial_state(self) -> Array:
        """Return x_0."""
        return jnp.full((1,), self.start)

    def step(self, params: dict[str, Array], h: Array, x: Array | None) -> Array:
        """Return the next state."""
        return params["w"] * jax.nn.sigmoid(h) + params["b"]

    def readout(self, params: dict[str, Array], h: Array) -> Array:
        """Return s(x)."""
        return jax.nn.sigmoid(h)


@arguments(n_steps=COUNT, target=Number())
def due_after(length: Array | int, n_steps: int, target: float) -> Batch:
    """Return a sequence without input whose target counts at one step.

    Args:
      length: the step, from 1; may be traced.
      n_steps: T.
      target: y.

    Raises:
      ValueError: an argument is out of its range.
    """
    Number(at_least=1, at_most=n_steps, whole=True).checked("length", length)
    y = jnp.full((n_steps, 1), target)
    counts = jnp.arange(1, n_steps + 1) == length
    return Batch(jnp.zeros_like(y), y, counts.astype(y.dtype))


@arguments(weight=Number(above=0), n_steps=COUNT)
def settled(weight: float, bias: Array, n_steps: int) -> Array:
    """Return where the state is after many steps from far below and from far above, (2, ...).

    Args:
      weight: w, > 0.
      bias: b, (...).
      n_steps: steps.
    """
    cell, params = LogisticUnit(), LogisticUnit.at(weight, bias)
    ends = jnp.stack([params["b"], params["b"] + weight])
    step = jax.vmap(lambda x: cell.step(params, x, None))
    return jax.lax.fori_loop(0, n_steps, lambda _, x: step(x), ends)


@arguments(weight=Number(above=4))
def folds(weight: float) -> Array:
    """Return x and b of both folds, found by bisection of the slope of a step, (2, 2).

    Args:
      weight: w, > 4.
    """
    cell, unbiased = LogisticUnit(), LogisticUnit.at(weight, 0.0)

    def halved(_: int, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        steep = jax.grad(lambda x: cell.step(unbiased, x, None))(middle) > 1
        return jnp.where(steep, middle, low), jnp.where(steep, high, middle)

    # The slope of the map falls with |x|.
    ends = jnp.asarray(0.0), jnp.asarray(_FARTHEST)
    x, _ = jax.lax.fori_loop(0, _N_HALVINGS, halved, ends)
    x = jnp.stack([x, -x])
    return jnp.stack([x, x - cell.step(unbiased, x, None)], axis=1)
