"""One of several optimisers, chosen by a number that may be traced."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax.ranges import Number, refusal
from rnnjax.types import Array
from rnnjax.updates.optimisers import OPTIMISER


def chosen(number: Array | int, *optimisers: optax.GradientTransformation) -> Any:
    """Construct the optimiser that takes the steps of one of several.

    All of them are computed: trainings that differ in their optimiser then are one program, which
    `jax.vmap` maps over the number.

    Args:
      number: which one, from 0, (); a float is one of these numbers as well. The steps of a traced
        number that is none of them are NaN.
      *optimisers: any optax optimisers that need gradient and parameters alone.

    Returns:
      an optax transformation, whose state holds those of all optimisers.

    Raises:
      ValueError: there is no optimiser, one is none, or there is none with that number.

    Example:
      >>> optimiser = chosen(1, optax.sgd(1.0), optax.sgd(0.1))
      >>> step, _ = optimiser.update(2.0, optimiser.init(0.0))
      >>> round(float(step), 6)
      -0.2
    """
    if not optimisers:
        raise refusal("optimisers", "at least one", "none", shown_by=str)
    for optimiser in optimisers:
        OPTIMISER.checked("optimisers", optimiser)
    which = _branch(number, len(optimisers))

    def init(params: Any) -> tuple:
        return tuple(optimiser.init(params) for optimiser in optimisers)

    def update(grads: Any, state: tuple, params: Any = None) -> tuple[Any, tuple]:
        moves = [
            optimiser.update(grads, own, params)
            for optimiser, own in zip(optimisers, state, strict=True)
        ]
        steps, states = zip(*moves, strict=True)
        return jax.tree.map(lambda *step: _selected(which, step), *steps), states

    return optax.GradientTransformation(init, update)


def _branch(number: Any, n: int) -> Array:
    """The index of a branch, (); `n` for a traced number that is none of the n optimisers."""
    if isinstance(number, bool) or getattr(number, "dtype", None) == jnp.bool_:  # between two
        number = jnp.asarray(number, jnp.int32)
    number = Number(at_least=0, at_most=n - 1).checked("number", number)
    if jnp.shape(number) != ():
        raise refusal("number", "one number, of shape ()", jnp.shape(number), shown_by=str)
    is_one = (number >= 0) & (number < n) & (number == jnp.floor(number))
    if not isinstance(is_one, jax.core.Tracer) and not is_one:
        raise refusal("number", f"a whole number from 0 to {n - 1}", number)
    return jnp.where(is_one, number, n).astype(jnp.int32)


def _selected(which: Array, steps: tuple[Array, ...]) -> Array:
    """The step of one branch; NaN where there is no such branch."""
    unknown = jnp.full_like(steps[0], jnp.nan)
    return jax.lax.select_n(which, *steps, unknown)
