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
      number: which one, from 0, a whole number, which may be a float; one before the first chooses
        the first, one beyond the last the last.
      *optimisers: any optax optimisers that need gradient and parameters alone.

    Returns:
      an optax transformation, whose state holds those of all optimisers.

    Raises:
      ValueError: there is no optimiser, or one is none, or the number is known not to be whole.

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
    dtype = getattr(number, "dtype", None)
    is_truth = isinstance(number, bool) or jnp.issubdtype(dtype or int, jnp.bool_)
    Number().checked("number", 0 if is_truth else number)
    is_known = not isinstance(number, jax.core.Tracer)
    if jnp.ndim(number) or (is_known and float(number) % 1):
        raise refusal("number", "one whole number", number)
    which = jnp.clip(jnp.asarray(number).astype(jnp.int32), 0, len(optimisers) - 1)

    def init(params: Any) -> tuple:
        return tuple(optimiser.init(params) for optimiser in optimisers)

    def update(grads: Any, state: tuple, params: Any = None) -> tuple[Any, tuple]:
        moves = [
            optimiser.update(grads, own, params)
            for optimiser, own in zip(optimisers, state, strict=True)
        ]
        steps, states = zip(*moves, strict=True)
        return jax.tree.map(lambda *step: jax.lax.select_n(which, *step), *steps), states

    return optax.GradientTransformation(init, update)
