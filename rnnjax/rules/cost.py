"""What a learning rule must keep while the network runs."""

import math
from typing import Any

import jax

from rnnjax import boundary, real_view, scan
from rnnjax.ranges import arguments, refusal
from rnnjax.rules.forward_errors import ForwardErrors
from rnnjax.rules.problem import Problem, no_loss
from rnnjax.rules.wrapper import Wrapper
from rnnjax.training_kinds import RULE
from rnnjax.types import Batch, Cell, Params, Rule


@arguments(rule=RULE)
def state_bytes(rule: Rule, cell: Cell, params: Params, batch: Batch) -> int:
    """Return the bytes that a rule carries from step to step, beside the network's own state.

    A rule that goes forward in time keeps its memory, whatever T is; one that goes back keeps the
    trajectory, as far back as it looks. Nothing is computed: the shapes tell.

    Args:
      rule: the learning rule.
      cell: the cell.
      params: parameters.
      batch: one sequence.

    Raises:
      ValueError: an argument does not fit, or the rule is made of another rule, of which its kind
        alone knows what it keeps besides.
    """
    if isinstance(rule, Wrapper):
        expected = "one that is not made of another rule"
        raise refusal("rule", expected, type(rule).__name__, shown_by=str)
    cell, params, batch = boundary.admitted(cell, None, params, batch)
    if hasattr(rule, "step"):
        return _bytes(jax.eval_shape(lambda p, b: _memory(rule, cell, p, b), params, batch))
    if isinstance(rule, ForwardErrors):
        h = real_view.of(cell, params, batch.x[0]).seen.initial_state()
        return _bytes(jax.eval_shape(lambda: rule.begin(h)))
    n_steps = len(batch.x)
    whole = _bytes(jax.eval_shape(lambda p, b: scan.steps(cell, p, b.x), params, batch))
    kept = min(getattr(rule, "window", None) or n_steps, n_steps)
    segment = getattr(rule, "segment", None)
    if segment:
        kept = min(segment + math.ceil(n_steps / segment), n_steps)
    return whole * kept // n_steps


def _memory(rule: Any, cell: Cell, params: Params, batch: Batch) -> Any:
    state = rule.init(cell, params, batch, jax.random.key(0))
    view = real_view.of(cell, params, batch.x[0])
    problem = Problem(view.seen, no_loss, view.inward(params))
    return rule.begin(problem, batch.x[0], state.learned)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
