"""A learning rule over a batch of sequences."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, scaled
from rnnjax.ranges import arguments, refusal
from rnnjax.real_view import RealView
from rnnjax.training_kinds import RULE
from rnnjax.types import Array, Batch, Cell, Params, Rule, RuleOut, StepLoss


@arguments(rule=RULE)
def batch_gradient(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    *,
    per_step: bool = False,
) -> RuleOut:
    """Return loss and gradient of a rule averaged over a batch.

    A rule may offer `batch_gradient` of its own, where the batch shares work; the result is the
    same to rounding.

    Args:
      rule: the learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: leaves (B, T, ...).
      state: the rule's state of each sequence, leaves (B, ...).
      per_step: keep the steps apart: leaves (T, ...), see `rnnjax.types.Rule`.

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    if hasattr(rule, "batch_gradient"):
        return rule.batch_gradient(cell, loss, params, batch, state, per_step=per_step)
    return mean_of_sequences(rule, cell, loss, params, batch, state, per_step=per_step)


@boundary.of_batches
def mean_of_sequences(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    *,
    per_step: bool = False,
) -> RuleOut:
    """Return the mean of the rule's gradients, each sequence by itself; as `batch_gradient`."""
    n = len(batch.x)
    if any(jnp.shape(leaf)[:1] != (n,) for leaf in jax.tree.leaves(state)):
        raise refusal("state", f"that of each sequence, leaves ({n}, ...)", "another", shown_by=str)
    out = jax.vmap(lambda b, s: rule(cell, loss, params, b, s, per_step=per_step))(batch, state)
    mean = scaled.divide(scaled.sum_over_leading(out.grads), out.loss.shape[0])
    return RuleOut(jnp.mean(out.loss), mean, out.state)


def without_state(
    self: Rule, cell: Cell, params: Params, batch: Batch, key: Array | None = None
) -> tuple[()]:
    """Return the empty state: nothing is carried between sequences. A method, to be named."""
    return ()


def require(applies: bool, cell: Cell, rule: Rule, needed: str, reason: str) -> None:
    """Refuse a cell to which a rule does not apply.

    Args:
      applies: whether it does.
      cell: the cell.
      rule: the rule.
      needed: what the cell has to have.
      reason: why this one has it not.

    Raises:
      ValueError: the rule does not apply.
    """
    if not applies:
        kind, name = type(rule).__name__, type(getattr(cell, "user_cell", cell)).__name__
        reason = "whose numbers are complex" if isinstance(cell, RealView) else reason
        raise ValueError(f"{kind}: expected a cell with {needed}, got {name}, {reason}")
