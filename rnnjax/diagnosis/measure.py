"""Every row of a diagnosis for one example, as arrays by layer.

Rows that need one or a few passes are measured on every example; those that run a pass for each
window or each direction are measured on the first few.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import scaled
from rnnjax.diagnosis import memory, spectrum, transport, units, weights, window
from rnnjax.jaxprs import Recurrence, Recurrences, recurrences
from rnnjax.types import Array

Rows = dict[str, Array]


class Effort(NamedTuple):
    """How much a diagnosis looks at.

    Attributes:
      longest_window: the largest truncation window.
      tolerance: see `window.windows`.
      n_exponents: the number of exponents and of singular values.
    """

    longest_window: int
    tolerance: float
    n_exponents: int


def wide(r: Recurrence) -> Rows:
    """Return the rows measured on every example."""
    # What the state does on its way forward does not end where the gradient is cut.
    return {
        **transport.transport(r),
        **memory.forward_memory(r.uncut),
        **finiteness(r),
        **units.slopes(r),
        **units.gates(r.uncut),
    }


def close(r: Recurrence, effort: Effort) -> Rows:
    """Return the rows measured on the first few examples."""
    return {
        **weights.by_use(r),
        **window.windows(r, min(effort.longest_window, r.length), effort.tolerance),
        **spectrum.exponents(r.uncut, effort.n_exponents),
        **spectrum.linear(r.uncut),
        **spectrum.state_growth(r.uncut),
        **spectrum.singular_values(r.uncut, effort.n_exponents),
    }


def finiteness(r: Recurrence) -> Rows:
    """Return the first step whose state, and the last one whose gradient, is not finite.

    Returns:
      ``non_finite_forward_step``, ``non_finite_backward_step``: 1..T, int32 (), -1 if none.
    """
    number = jnp.arange(1, r.length + 1, dtype=jnp.int32)
    forward = ~jnp.all(jnp.isfinite(r.states[1:]), axis=-1)
    backward = ~jnp.all(jnp.isfinite(r.deltas.value), axis=-1)
    first = jnp.min(jnp.where(forward, number, r.length + 1))
    return {
        "non_finite_forward_step": jnp.where(jnp.any(forward), first, -1),
        "non_finite_backward_step": jnp.max(jnp.where(backward, number, -1)),
    }


def of_program(found: Recurrences) -> Rows:
    """Return what is measured of the program as a whole: the loss and ln |dL/dparams|."""
    leaves = jax.tree.leaves(found.gradient, is_leaf=lambda n: isinstance(n, scaled.Scaled))
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(n.value)) for n in leaves]))
    log_norm = jnp.where(finite, scaled.log_norm(found.gradient), jnp.nan)
    return {"loss": found.loss, "log_norm_gradient": log_norm}


def rows_of(
    loss: Callable[[Any, Any], Array],
    params: Any,
    layers: Sequence[str] | None,
    measured: Callable[[Recurrence], Rows],
) -> Callable[[Any], tuple[Rows, dict[str, Rows]]]:
    """Return a function of an example that gives the rows of the program and of each layer."""

    def of_example(example: Any) -> tuple[Rows, dict[str, Rows]]:
        found = recurrences(loss, params, example, layers=layers)
        return of_program(found), {r.name: measured(r) for r in found}

    return of_example
