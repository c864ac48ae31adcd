"""Where the first number that is not finite comes from, in each layer, forward and backward.

Forward it is the first step whose state is not finite, of the layer that runs first; backward the
last step whose gradient is not finite, of the layer that is passed first. In other layers it has
arrived from there.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rnnjax.diagnosis import steps
from rnnjax.diagnosis.origin import origin
from rnnjax.jaxprs import Recurrence
from rnnjax.jaxprs.recurrences import Loss, recurrences

Rows = dict[str, NDArray]
_BEHIND = "arrives from behind the layer"


def add_origins(
    loss: Loss, params: Any, examples: Any, layers: dict[str, Rows], names: tuple[str, ...] | None
) -> None:
    """Add the operations at which numbers stop being finite to the rows of the layers."""
    n_examples = len(next(iter(layers.values()))["last_step"])
    for rows in layers.values():
        for name in ("non_finite_forward_at", "non_finite_backward_at"):
            rows[name] = np.full(n_examples, "", object)
    for i in range(n_examples):
        if not any(_is_struck(rows, i) for rows in layers.values()):
            continue
        example = jax.tree.map(lambda a, i=i: a[i], examples)
        found = recurrences(loss, params, example, layers=names)
        for r in found:
            rows = layers[r.name]
            rows["non_finite_forward_at"][i] = forward(r, int(rows["non_finite_forward_step"][i]))
            step = int(rows["non_finite_backward_step"][i])
            rows["non_finite_backward_at"][i] = backward(loss, params, example, r, step)


def _is_struck(rows: Rows, i: int) -> bool:
    return rows["non_finite_forward_step"][i] > 0 or rows["non_finite_backward_step"][i] > 0


def forward(r: Recurrence, step: int) -> str:
    """Return the operation at which the state of a step (1..T) stops being finite."""
    if step < 1:
        return ""
    found = origin(lambda h, t: steps.new_state(r, r.params, h, t), r.states[step - 1], _t(step))
    return found or "arrives with the input of the step"


def backward(loss: Loss, params: Any, example: Any, r: Recurrence, step: int) -> str:
    """Return the operation at which the gradient of a step (1..T) stops being finite."""
    if step < 1:
        return ""
    if step < r.length:
        delta = jax.tree.map(lambda a: a[step], r.deltas)  # dL/dh of the step behind
        found = origin(lambda h, v: _pulled(r, h, _t(step + 1), v), r.states[step], delta.value)
        if found:
            return found
    return _outside(loss, params, example) or _BEHIND


def _t(step: int) -> Any:
    return jnp.asarray(step - 1, jnp.int32)


def _pulled(r: Recurrence, h: Any, t: Any, v: Any) -> Any:
    return jax.vjp(lambda h: steps.new_state(r, r.params, h, t), h)[1](v)[0]


def _outside(loss: Loss, params: Any, example: Any) -> str:
    """Return the operation on the way back of the whole program at which it happens."""
    return origin(lambda p: jax.grad(loss)(p, example), params)
