"""Descent on any function of the parameters, by automatic differentiation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax.ranges import COUNT, arguments, refusal
from rnnjax.types import Array
from rnnjax.updates.optimisers import OPTIMISER


def descend(
    params: Any, state: Any, gradient: Any, optimiser: optax.GradientTransformation
) -> tuple[Any, Any]:
    """Take one step against a gradient of `jax.grad`; return the parameters and the state after it.

    JAX's gradient dL/du - i dL/dv by a complex weight u + i v is the conjugate of the direction of
    steepest ascent, which an optimiser expects.
    """
    ascent = jax.tree.map(jnp.conj, gradient)
    updates, state = optimiser.update(ascent, state, params)
    return optax.apply_updates(params, updates), state


@arguments(n_updates=COUNT, optimiser=OPTIMISER)
def minimise(
    function: Callable[[Any], Array],
    params: Any,
    optimiser: optax.GradientTransformation,
    *,
    n_updates: int,
) -> tuple[Any, Array]:
    """Train parameters on one function, which is the same in every update.

    Automatic differentiation of a scan is backpropagation through time. `rnnjax.fit` with the rule
    `rnnjax.BPTT` gives the same; its scaled numbers compile for twice as long, and are of use
    where a gradient may leave the range of floats.

    Args:
      function: of the parameters, such as the mean loss of all sequences; returns ().
      params: the start.
      optimiser: any optax optimiser that needs gradient and parameters alone.
      n_updates: updates.

    Returns:
      the parameters, and the value of the function before each update, (n_updates,).

    Raises:
      ValueError: the parameters are no floating point numbers, or the function does not return a
        real number.

    Example:
      >>> x, values = minimise(lambda x: x**2, 1.0, optax.sgd(0.25), n_updates=2)
      >>> float(x), values.tolist()
      (0.25, [1.0, 0.25])
    """
    _check(function, params)

    def update(carry: tuple, _: None) -> tuple[tuple, Array]:
        params, state = carry
        value, grads = jax.value_and_grad(function)(params)
        return descend(params, state, grads, optimiser), value

    start = (params, optimiser.init(params))
    (found, _), values = jax.lax.scan(update, start, length=n_updates)
    return found, values


def _check(function: Any, params: Any) -> None:
    if not callable(function):
        raise refusal("function", "a function of the parameters", function)
    for leaf in jax.tree.leaves(params):
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.inexact):
            raise refusal("params", "floating point numbers", str(dtype), shown_by=str)
    value = jax.eval_shape(function, params)
    is_array = isinstance(value, jax.ShapeDtypeStruct)
    if not is_array or value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating):
        got = f"{value.dtype}{value.shape}" if is_array else type(value).__name__
        raise refusal("function", "one that returns a real number of shape ()", got, shown_by=str)
