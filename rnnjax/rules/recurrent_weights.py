"""The gradient of the recurrent weights by a rule, as one vector: whole, or by the lag of use.

The recurrent weights are those that the step reads: the gradient with respect to the readout is the
same in every rule and would make each look better than it is. For the same reason there is
`gradient_by_lag`: nearly all of a gradient may come from lag 0, where every rule is exact.
`rnnjax.analysis.pairwise_alignment` takes what these functions return.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, masks, real_view, scaled, shape_checks
from rnnjax.ranges import COUNT, COUNT_OR_ZERO, arguments, refusal
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online_rule import OnlineRule, is_no_state
from rnnjax.rules.problem import Problem
from rnnjax.rules.wrapper import Wrapper
from rnnjax.scaled import Scaled
from rnnjax.training_kinds import RULE
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss

_FIRST, _LAST = slice(None, -1), slice(1, None)  # of the two edges of each window


@arguments(rule=RULE, n_draws=COUNT)
def recurrent_gradient(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any = (),
    *,
    n_draws: int = 1,
) -> Scaled:
    """Return the gradient of a rule with respect to the recurrent weights, on one sequence.

    Args:
      rule: the learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence.
      state: of the rule, as `rule.init` or training made it; without one it starts as before the
        first sequence, which a stochastic rule cannot.
      n_draws: draws of a stochastic rule; the gradient of any other is repeated.

    Returns:
      all weights that the step reads, leaf by leaf in one vector: value (n_draws, n_weights),
      exponent (n_draws,).

    Raises:
      ValueError: an argument does not fit, or a stochastic rule has no state.
    """
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)
    state = _begun(rule, cell, loss, params, batch, state)
    read = _read(Problem(cell, loss, params), batch.x[0])

    def one(state: Any) -> Scaled:
        grads = rule(cell, loss, params, batch, state).grads
        leaves = jax.tree.leaves(grads, is_leaf=scaled.is_scaled)
        return _as_vector([leaves[i] for i in read])

    if not rule.stochastic:
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (n_draws, *a.shape)), one(state))
    keys = jax.random.split(state.key, n_draws)
    return jax.vmap(lambda key: one(state._replace(key=key)))(keys)


def _begun(rule: Rule, cell: Cell, loss: StepLoss, params: Params, batch: Batch, state: Any) -> Any:
    """Return the state of a rule, that before the first sequence if there is none.

    Raises:
      ValueError: the state is not one of this rule and network.
    """
    if is_no_state(state):
        return rule.init(cell, params, batch)
    inside: Any = rule
    while isinstance(inside, Wrapper):
        inside = inside.rule
    if isinstance(inside, OnlineRule):
        view = real_view.of(cell, params, batch.x[0])
        inside.check_state(Problem(view.seen, loss, view.inward(params)), batch, state)
    elif rule.stochastic and not (hasattr(state, "key") and hasattr(state, "_replace")):
        raise refusal("state", "a named tuple with a key, because the rule is stochastic", state)
    return state


def _read(problem: Problem, x: Array) -> list[int]:
    """Return the indices of the leaves of params that the step reads; x is any input (n_x,).

    Raises:
      ValueError: there is none.
    """
    read = influence.read(problem, x)
    if not read:
        kind = shape_checks.kind_of(problem.cell)
        raise ValueError(f"cell: expected a step that reads parameters, got {kind}, which has none")
    return read


def _as_vector(leaves: Sequence[Scaled]) -> Scaled:
    """Return leaves as one vector with one exponent."""
    top = jnp.max(jnp.stack([leaf.exponent for leaf in leaves]), axis=0)
    parts = [scaled.lower(leaf.value, leaf.exponent - top).reshape(-1) for leaf in leaves]
    return scaled.normalise(jnp.concatenate(parts), top)


@arguments(rule=RULE)
def gradient_by_lag(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    edges: Sequence[int],
) -> Scaled:
    """Return what the loss of the last step says about weights, by how long ago they were used.

    The lag of a use at step s is T - s, T the last step whose mask is not 0. Rules that go back
    split their gradient by use; a rule that goes forward is linear in D_t, so a window of lags is
    the difference of two memories whose influence begins at its edges (for a stochastic rule with
    the same random numbers); a learned kernel or a perturbed network beside it goes on.

    Args:
      rule: a learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence; of its mask only the last weight counts.
      state: of the rule.
      edges: n + 1 lags, whole and rising; the windows are edges[i] <= lag < edges[i + 1].

    Returns:
      value (n, n_weights), exponent (n,), the weights as in `recurrent_gradient`.

    Raises:
      ValueError: an argument does not fit; the one-line message names it.
    """
    edges = _rising(edges)
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)
    state = _begun(rule, cell, loss, params, batch, state)
    read = _read(Problem(cell, loss, params), batch.x[0])
    counts = masks.counted(batch.mask)
    is_last = jnp.arange(len(counts)) == masks.last_of_weight(batch.mask)
    last = Batch(batch.x, batch.y, jnp.where(is_last, batch.mask, 0), counts)
    if rule.step_axis == "use":
        grads = rule(cell, loss, params, last, state, per_step=True).grads
        leaves = jax.tree.leaves(grads, is_leaf=scaled.is_scaled)
        return _by_use([leaves[i] for i in read], last.counts, edges)
    if not hasattr(rule, "prepare"):
        kind = type(rule).__name__
        raise ValueError(
            f"rule: expected one that goes back or an online rule, got {kind}, whose gradient is "
            "not split by the use of a weight"
        )
    lengths = jnp.asarray([edge for edge in edges if edge])
    begun = _since(rule, cell, loss, params, last, state, lengths)
    if edges[0] == 0:  # of no steps there is nothing
        nothing = jax.vmap(scaled.normalise)(jnp.zeros_like(begun.value[:1]))
        begun = jax.tree.map(lambda *parts: jnp.concatenate(parts), nothing, begun)
    inner, outer = (jax.tree.map(lambda a, cut=cut: a[cut], begun) for cut in (_FIRST, _LAST))
    return jax.vmap(scaled.subtract)(outer, inner)


def _rising(edges: Any) -> tuple[int, ...]:
    """Return edges of windows of lags as numbers.

    Raises:
      ValueError: they are not two or more whole numbers that rise.
    """
    expected = "two or more whole numbers of at least 0, each above the one before"
    if isinstance(edges, jax.core.Tracer) or np.ndim(edges) != 1 or len(edges) < 2:
        raise refusal("edges", expected, edges)
    whole = tuple(COUNT_OR_ZERO.checked("edges", edge) for edge in np.asarray(edges))
    if any(b <= a for a, b in itertools.pairwise(whole)):
        raise refusal("edges", expected, whole)
    return whole


def _by_use(leaves: Sequence[Scaled], counts: Array, edges: Sequence[int]) -> Scaled:
    """Return the sums within the windows of a gradient by use, leaves (T, ...)."""
    steps = jax.vmap(lambda *leaves: _as_vector(leaves))(*leaves)
    lag = masks.last(counts) - jnp.arange(len(counts))

    def window(first: Array, behind: Array) -> Scaled:
        inside = (lag >= first) & (lag < behind)
        # The exponent of a zero must be that of zero, or it would hide what is far below 1.
        return scaled.sum_over_leading(
            Scaled(
                jnp.where(inside[:, None], steps.value, 0),
                jnp.where(inside, steps.exponent, scaled.ZERO_EXPONENT),
            )
        )

    return jax.vmap(window)(jnp.asarray(edges[:-1]), jnp.asarray(edges[1:]))


def _since(
    rule: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: online.Carried,
    lengths: Array,
) -> Scaled:
    """Return the gradient of the last step for memories begun `lengths` steps before the end."""
    n_steps, x = len(batch.x), batch.x[0]
    end = masks.last(batch.counts)
    view = real_view.of(cell, params, x)
    problem = Problem(view.seen, loss, view.inward(params))
    (h, fresh), key, _ = online.start(rule, problem, x, state)
    noise = rule.noise(problem, key, n_steps)
    _, observed = online.observe(rule, problem, h, batch, noise)
    prepared = jax.vmap(lambda at: rule.prepare(problem, at))(observed)

    def advance(memory: Any, at: Any) -> tuple[Any, Blocks]:
        return rule.step(problem, memory, at)

    _, like = jax.eval_shape(advance, fresh, jax.tree.map(lambda a: a[0], prepared))
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)

    def run(length: Array) -> Scaled:
        def step(carry: tuple, at: tuple) -> tuple[tuple, None]:
            t, now = at
            begins = rule.restarted(problem, x, fresh, carry[0])
            memory = jax.tree.map(
                lambda new, old: jnp.where(t == end + 1 - length, new, old), begins, carry[0]
            )
            stays = partial(jnp.where, t <= end)
            return jax.tree.map(stays, advance(memory, now), carry), None

        (_, grads), _ = jax.lax.scan(step, (fresh, nothing), (jnp.arange(n_steps), prepared))
        found = influence.by_leaf(problem, x, grads)
        return _as_vector(list(view.gradient_by_leaf(found).values()))

    return jax.vmap(run)(lengths)
