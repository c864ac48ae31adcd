"""Checks that an optimiser needs only what training provides: gradient, parameters and loss.

Most optax transformations need the first two. Some also read the loss, as their argument `value`
(`optax.contrib.reduce_on_plateau`, `optax.polyak_sgd`). A transformation that computes losses or
gradients of its own, such as a line search, cannot follow a learning rule, whose gradient need not
be that of any loss. It is detected from shapes alone, before anything is computed.
"""

import itertools
import re
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax import scaled
from rnnjax.errors import one_line
from rnnjax.ranges import Kind, refusal
from rnnjax.types import Params

# optax.MultiSteps is not a GradientTransformation, but has the same attributes.
OPTIMISER = Kind(
    lambda value: (
        callable(getattr(value, "init", None))
        and callable(getattr(value, "update", None))
        and not isinstance(value, type)
    ),
    "an optimiser of optax",
    static=False,
)
_EXPECTED = "an optimiser that needs the gradient, the parameters and the loss alone"
_UNKNOWN = "unexpected keyword argument 'value'"
_MISSING = re.compile(r"missing \d+ required (?:keyword-only|positional) arguments?: (.*)")


def with_loss(optimiser: Any) -> optax.GradientTransformationExtraArgs:
    """Return an optimiser that accepts the loss as `value`, whether it uses it or not."""
    optimiser = OPTIMISER.checked("optimiser", optimiser)
    if isinstance(optimiser, optax.MultiSteps):
        return optax.GradientTransformationExtraArgs(optimiser.init, optimiser.update)
    return optax.with_extra_args_support(optimiser)


def fitting(
    optimiser: optax.GradientTransformationExtraArgs, params: Params
) -> optax.GradientTransformationExtraArgs:
    """Check that an optimiser of scaled gradients can train `params`, and make it accept `value`.

    Raises:
      ValueError: it needs further arguments, or the shapes of its state change; the message has one
        line.
    """
    try:
        before, after = _once(optimiser, params)
    except Exception as error:
        if isinstance(error, TypeError) and _UNKNOWN in str(error):
            return fitting(_blind(optimiser), params)
        raise refusal("optimiser", _EXPECTED, _said(error), shown_by=str) from None
    each = itertools.zip_longest(before, after, fillvalue="nothing")
    if changed := [f"{old} that becomes {new}" for old, new in each if old != new]:
        message = one_line(changed[0], 240)
        raise refusal("optimiser", "one whose state keeps its shapes", message, shown_by=str)
    return optimiser


def _once(
    optimiser: optax.GradientTransformationExtraArgs, params: Params
) -> tuple[list[str], list[str]]:
    """Return the shapes of parameters and state before and after an update, leaf by leaf."""

    def once(params: Params) -> tuple[Any, Any]:
        state = optimiser.init(params)
        grads = scaled.normalise_tree(params)
        moves, after = optimiser.update(grads, state, params, value=jnp.zeros(()))
        return (params, state), (optax.apply_updates(params, moves), after)

    def shapes(tree: Any) -> list[str]:
        found = jax.tree_util.tree_leaves_with_path(tree)
        return [f"{jax.tree_util.keystr(at)} {leaf.dtype}{leaf.shape}" for at, leaf in found]

    before, after = jax.eval_shape(once, params)
    return shapes(before), shapes(after)


def _blind(
    optimiser: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
    """Return an optimiser whose update does not accept the loss as one that ignores it."""

    def update(grads: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        return optimiser.update(grads, state, params)

    return optax.GradientTransformationExtraArgs(optimiser.init, update)


def _said(error: Exception) -> str:
    if missing := _MISSING.search(str(error)):
        return f"one that asks for {missing[1]}"
    said = one_line(str(error).split("\n")[0], 240)
    return f"one that raised {type(error).__name__}: {said}"
