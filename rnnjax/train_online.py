"""Training with updates within the sequence: at every step, or every few.

An online rule keeps its memory from update to update, so that what it knows of the past was
gathered under weights that have changed since; that is the price of not waiting. For small steps
the sum of the updates of a sequence is that of its gradient, to first order in the learning rate.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax import boundary, gradient, masks, real_view, rules, scaled
from rnnjax.compiling import run_once
from rnnjax.ranges import COUNT, KEY, arguments, refusal
from rnnjax.rules import influence, online
from rnnjax.rules.problem import Problem
from rnnjax.training_kinds import CELL, RULE, TASK
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss, Task
from rnnjax.updates import from_scaled, optimisers

_RULE, _PIECES = 2, 3  # folded into the key for the random numbers of rules


class OnlineTraining(NamedTuple):
    """What `fit_online` returns.

    Attributes:
      params: the parameters after the last update.
      loss: l_t of every step, mean over the batch, before the update at its end, (n_sequences, T);
        for a rule that is no online rule the mean over the steps of its piece.
    """

    params: Params
    loss: Array


@arguments(
    cell=CELL, task=TASK, rule=RULE, n_sequences=COUNT, batch_size=COUNT, steps_per_update=COUNT
)
def fit_online(
    cell: Cell,
    task: Task,
    rule: Rule,
    optimiser: optax.GradientTransformation,
    key: Array,
    *,
    n_sequences: int,
    batch_size: int = 1,
    steps_per_update: int = 1,
    params: Params | None = None,
) -> OnlineTraining:
    """Train a cell with updates within its sequences; a stream is one long sequence.

    An online rule (see `rnnjax.rules.online`) goes on from update to update with its memory. Any
    other rule is given the sequence in pieces of `steps_per_update` steps and carries from piece to
    piece what its state carries. State and memory start afresh with every sequence; what a rule has
    learned about the network (each `rnnjax.rules.online.Carried` in its state) stays. Where no loss
    falls due in a piece, there is no update; but a rule that foresees later losses (`DNI`) updates
    in every piece up to the end of the sequence.

    Args:
      cell: the cell.
      task: gives the sequences and the loss of a step.
      rule: gives the gradient.
      optimiser: any optax optimiser that needs gradient, parameters and loss alone.
      key: all randomness: start, sequences and the rule's noise are folded from it.
      n_sequences: sequences, one after the other.
      batch_size: sequences side by side, sharing the weights.
      steps_per_update: steps between two updates, a divisor of T.
      params: the start; drawn by the cell if None.

    Returns:
      see `OnlineTraining`.

    Raises:
      ValueError: a count is not positive, steps_per_update does not divide T, or the optimiser
        needs more than there is.
    """
    key = KEY.checked("key", key)
    n_steps = len(jax.eval_shape(task.sample, key).x)
    if n_steps % steps_per_update:
        raise refusal("steps_per_update", f"a divisor of T = {n_steps}", steps_per_update)
    key_init, key_data = jax.random.split(key)
    params = cell.init(key_init) if params is None else params
    cell = boundary.admitted(cell, task.loss, params, task.sample(key), needs_loss=True)[0]
    optimiser = optimisers.fitting(from_scaled(optimiser), params)
    learner: Any = _StepByStep(rule, cell, task.loss)
    if not hasattr(rule, "step"):
        key_pieces = jax.random.fold_in(key, _PIECES)
        learner = _ByPieces(rule, cell, task.loss, steps_per_update, key_pieces)

    def update(carry: tuple, piece: tuple) -> tuple[tuple, Array]:
        params, optimiser_state, memory = carry
        memory, losses, grads = learner.learn(params, memory, piece)
        updates, moved = optimiser.update(grads, optimiser_state, params, value=jnp.sum(losses))
        taken = (optax.apply_updates(params, updates), moved)
        due = learner.is_due(piece[0])
        params, optimiser_state = jax.tree.map(
            lambda new, old: jnp.where(due, new, old), taken, (params, optimiser_state)
        )
        return (params, optimiser_state, memory), losses

    def sequence(carry: tuple, n: Array) -> tuple[tuple, Array]:
        params, optimiser_state, state = carry
        keys = jax.random.split(jax.random.fold_in(key_data, n), batch_size)
        batch = jax.vmap(lambda key: masks.cut(task.sample(key)))(keys)
        memory, steps = learner.begin(params, state, batch, n)
        start = (params, optimiser_state, memory)
        pieces = jax.tree.map(lambda a: _in_pieces(a, steps_per_update), steps)
        (params, optimiser_state, memory), losses = jax.lax.scan(update, start, pieces)
        return (params, optimiser_state, learner.end(memory)), losses.reshape(-1)

    keys = jax.random.split(jax.random.fold_in(key, _RULE), batch_size)
    like = jax.tree.map(lambda a: a[:steps_per_update], task.sample(key))
    state = jax.vmap(lambda key: rule.init(cell, params, like, key))(keys)
    start = (params, optimiser.init(params), state)
    numbers = jnp.arange(n_sequences)
    (params, _, _), losses = run_once(functools.partial(jax.lax.scan, sequence), start, numbers)
    return OnlineTraining(params, losses)


def _in_pieces(a: Array, n: int) -> Array:
    """Return (B, T, ...) as (T / n, B, n, ...)."""
    return jnp.swapaxes(a.reshape(len(a), -1, n, *a.shape[2:]), 0, 1)


def _summed(tree: Any, divisor: int = 1) -> Any:
    """Return stacked `Scaled` leaves summed over their first axis, and divided."""
    leaves = jax.tree.leaves(tree)
    if not leaves:  # of a step that reads no parameters
        return tree
    if len(leaves[0]) == 1 == divisor:
        return jax.tree.map(lambda a: a[0], tree)
    return scaled.divide(scaled.sum_over_leading(tree), divisor)


class _StepByStep(NamedTuple):
    """An online rule in a batch of sequences."""

    rule: Any
    cell: Cell
    loss: StepLoss

    def begin(
        self, params: Params, state: Any, batch: Batch, n: Array
    ) -> tuple[Any, tuple[Batch, Any]]:
        """Return the memory at the start of each sequence, and its steps with their noise."""
        params = boundary.wide(params)
        view = real_view.of(self.cell, params, batch.x[0, 0])
        problem = Problem(view.seen, self.loss, view.inward(params))

        def one(batch: Batch, state: Any) -> Any:
            carry, key, later = online.start(self.rule, problem, batch.x[0], state)
            noise = self.rule.noise(problem, key, len(batch.x))
            return (carry, later), (batch, noise)

        return jax.vmap(one)(batch, state)

    def learn(self, params: Params, memory: Any, piece: tuple) -> tuple[Any, Array, Any]:
        """Return the memory after a piece, its losses (n,), and the gradient."""
        carry, later = memory
        params = boundary.wide(params)
        view = real_view.of(self.cell, params, piece[0].x[0, 0])
        problem = Problem(view.seen, self.loss, view.inward(params))

        def one(carry: Any, batch: Batch, noise: Any) -> Any:
            carry, (observed, own) = online.advance(self.rule, problem, carry, batch, noise)
            readout = online.through_readout(problem, observed, per_step=False)
            return carry, observed.loss, (_summed(own), readout)

        carry, losses, grads = jax.vmap(one)(carry, *piece)
        own, readout = _summed(grads, divisor=len(losses))
        own = influence.by_leaf(problem, piece[0].x[0, 0], own)
        grads = view.gradient(gradient.as_params(problem.params, own, readout))
        return (carry, later), jnp.mean(losses, axis=0), grads

    def is_due(self, batch: Batch) -> Array:
        """Return whether a piece makes an update: where a loss falls due, or one is foreseen."""
        foresees = self.rule.step_axis == "use"
        return jnp.any(batch.counts if foresees else batch.mask != 0)

    def end(self, memory: Any) -> online.Carried:
        """Return what goes on to the next sequence."""
        carry, later = memory
        return online.Carried(later, jax.vmap(lambda one: self.rule.learned(one[1]))(carry))


class _ByPieces(NamedTuple):
    """Any other rule: each piece is a sequence, the state goes from piece to piece."""

    rule: Rule
    cell: Cell
    loss: StepLoss
    n_steps: int
    key: Array

    def begin(
        self, params: Params, state: Any, batch: Batch, n: Array
    ) -> tuple[Any, tuple[Batch, None]]:
        """Return the state at the start of each sequence, and its steps.

        The n-th sequence finds a fresh state, but for what an online rule inside another carries
        from sequence to sequence.
        """
        keys = jax.random.split(jax.random.fold_in(self.key, n), len(batch.x))
        piece = jax.tree.map(lambda a: a[:, : self.n_steps], batch)
        afresh = jax.vmap(lambda b, key: self.rule.init(self.cell, params, b, key))(piece, keys)
        kept = jax.tree.map(
            lambda new, old: old if _is_carried(old) else new, afresh, state, is_leaf=_is_carried
        )
        return kept, (batch, None)

    def learn(self, params: Params, memory: Any, piece: tuple) -> tuple[Any, Array, Any]:
        """Return the state after a piece, its mean loss (n,), and the gradient."""
        out = rules.batch_gradient(self.rule, self.cell, self.loss, params, piece[0], memory)
        n = piece[0].x.shape[1]
        return out.state, jnp.full(n, out.loss / n), out.grads

    def is_due(self, batch: Batch) -> Array:
        """Return whether a piece makes an update: where a loss falls due."""
        return jnp.any(batch.mask != 0)

    def end(self, memory: Any) -> Any:
        """Return the state; what of it goes on is for the next sequence to say."""
        return memory


def _is_carried(node: Any) -> bool:
    return isinstance(node, online.Carried)
