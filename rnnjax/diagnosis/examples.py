"""Examples as a diagnosis takes them: a tree of arrays with one leading axis."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rnnjax.errors import one_line
from rnnjax.jaxprs import Recurrences
from rnnjax.jaxprs.recurrences import Loss, check_program


def number_of(examples: Any) -> int:
    """Return the number of examples.

    Raises:
      ValueError: the arrays have no common leading axis, or there is no example.
    """
    leaves = jax.tree.leaves(examples)
    shapes = [np.shape(leaf) for leaf in leaves]
    sizes = {shape[:1] for shape in shapes}
    if len(sizes) != 1 or sizes == {()} or sizes == {(0,)}:
        message = one_line(", ".join(str(shape) for shape in shapes) or "nothing", 200)
        raise ValueError(
            f"examples: expected arrays with one leading axis of at least 1 example, got {message}"
        )
    return int(shapes[0][0])


def program_of(loss: Loss, params: Any, examples: Any) -> Callable[[Any, Any], Recurrences]:
    """Check a loss on the first of the examples, and return its program as `check_program` does.

    Raises:
      ValueError: it is not a loss of params and one example. Where it takes all of them at once,
        or they are a list of what it takes, the message says what to change.
    """
    first = jax.tree.map(lambda a: a[0], examples)
    try:
        return check_program(loss, params, first)
    except ValueError as error:
        advice = "" if _takes(loss, params, first) else _advice(loss, params, examples)
        if not advice:
            raise
        raise ValueError(f"loss: expected it to take params and one example, {advice}") from error


def _advice(loss: Loss, params: Any, examples: Any) -> str:
    """Return how to change what another axis or a list keeps from being taken; "" if unknown."""
    if _takes(loss, params, examples):
        return (
            "but it takes all of them at once: if they are a single example, pass "
            "jax.tree.map(lambda a: a[None], examples); if it is the loss of a batch, pass "
            "lambda params, example: loss(params, jax.tree.map(lambda a: a[None], example))"
        )
    if isinstance(examples, list | tuple) and _takes(loss, params, examples[0]):
        return (
            "but the examples are a list of them: pass "
            "jax.tree.map(lambda *a: jnp.stack(a), *examples)"
        )
    return ""


def _takes(loss: Loss, params: Any, example: Any) -> bool:
    try:
        jax.eval_shape(lambda *at: loss(*at), params, example)
    except Exception:
        return False
    return True
