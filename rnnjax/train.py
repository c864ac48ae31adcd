"""Training as one scan over updates, with probes every k steps.

Everything is a traced value or a static one, so `vmap` over keys, learning rates and gains runs
whole families of trainings in one program.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax import rules, scan, shape_checks
from rnnjax.compiling import run_once
from rnnjax.ranges import COUNT, COUNT_OR_NONE, KEY, arguments, refusal
from rnnjax.training_kinds import CELL, PROBE_OR_NONE, RULE, RULES_OR_NONE, TASK
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss, Task
from rnnjax.updates import from_scaled, optimisers

_RULE = 3  # folded into the key for the random numbers of rules
Probe = Callable[..., dict[str, Array]]  # (cell, loss, params, batch[, states of observers])


class Training(NamedTuple):
    """What `fit` returns.

    Attributes:
      params: the parameters after the last update.
      loss: mean loss of each update's batch before the update, (n_updates,).
      probes: outputs of the probe before update 0, k, 2k, ..., leaves (n_updates // k, ...); None
        without a probe.
    """

    params: Params
    loss: Array
    probes: Any


@arguments(
    cell=CELL,
    task=TASK,
    rule=RULE,
    n_updates=COUNT,
    batch_size=COUNT_OR_NONE,
    every=COUNT,
)
def fit(
    cell: Cell,
    task: Task,
    rule: Rule,
    optimiser: optax.GradientTransformation,
    key: Array,
    *,
    n_updates: int,
    batch_size: int | None = None,
    batch: Batch | None = None,
    probe: Probe | None = None,
    every: int = 1,
    params: Params | None = None,
    observers: Mapping[str, Rule] | None = None,
) -> Training:
    """Train a cell on a task, on fresh sequences in every update or always on the same ones.

    Args:
      cell: the cell.
      task: gives the sequences and the loss of a step.
      rule: gives the gradient.
      optimiser: any optax optimiser that needs gradient, parameters and loss alone, so no line
        search; `rnnjax.updates.clip_by_norm` wraps one with a clipping that stays right at any
        norm.
      key: all randomness: start, sequences and the probe's sequence are folded from it.
      n_updates: updates, a multiple of `every`.
      batch_size: fresh sequences in an update.
      batch: the sequences of every update, leaves (B, T, ...), in place of fresh ones.
      probe: measures the network on one fixed sequence, drawn apart from those of training.
      every: k, updates between two probes.
      params: the start; drawn by the cell if None.
      observers: rules that observe the training: they see every batch under the weights that
        `rule` trains, and carry what they learn. The probe is given their states as a fifth
        argument, those of the first sequence of the batch, by name.

    Returns:
      see `Training`.

    Raises:
      ValueError: n_updates, batch_size, batch or every does not fit, or the optimiser needs more
        than there is.
    """
    if (batch is None) == (batch_size is None):
        raise ValueError("batch_size: expected it for fresh sequences, or batch for the same ones")
    if batch is not None and not jnp.ndim(getattr(batch, "x", 0)):
        raise refusal("batch", "a rnnjax.Batch, leaves (B, T, ...)", batch)
    n_sequences = len(batch.x) if batch is not None else batch_size or 0
    if not n_sequences:
        raise refusal("batch", "at least one sequence", "none", shown_by=str)
    if n_updates % every:
        raise refusal("n_updates", f"a multiple of every = {every}", n_updates)
    key = KEY.checked("key", key)
    probe = PROBE_OR_NONE.checked("probe", probe)
    observing = dict(RULES_OR_NONE.checked("observers", observers) or {})
    key_init, key_data, key_probe = jax.random.split(key, 3)
    params = cell.init(key_init) if params is None else params
    shape_checks.check_params(cell, params)
    optimiser = optimisers.fitting(from_scaled(optimiser), params)
    probe_batch = task.sample(key_probe)

    def draw(n: Array) -> Batch:
        if batch is not None:
            return batch
        keys = jax.random.split(jax.random.fold_in(key_data, n), n_sequences)
        return jax.vmap(task.sample)(keys)

    def update(carry: tuple, n: Array) -> tuple[tuple, Array]:
        params, optimiser_state, rule_state, states = carry
        sequences = draw(n)
        out = rules.batch_gradient(rule, cell, task.loss, params, sequences, rule_state)
        states = {
            name: rules.batch_gradient(
                other, cell, task.loss, params, sequences, states[name]
            ).state
            for name, other in observing.items()
        }
        updates, optimiser_state = optimiser.update(
            out.grads, optimiser_state, params, value=out.loss
        )
        params = optax.apply_updates(params, updates)
        return (params, optimiser_state, out.state, states), out.loss

    def look(params: Params, states: dict[str, Any]) -> dict[str, Array] | None:
        if probe is None:
            return None
        first = (jax.tree.map(lambda a: a[0], states),) if observing else ()
        return probe(cell, task.loss, params, probe_batch, *first)

    def probed(carry: Any, steps: Array) -> tuple[Any, tuple]:
        seen = look(carry[0], carry[3])
        carry, losses = jax.lax.scan(update, carry, steps)
        return carry, (losses, seen)

    # Rules read shapes from the batch that they start with, so any sequences will do.
    like = jax.tree.map(lambda a: jnp.broadcast_to(a[None], (n_sequences, *a.shape)), probe_batch)

    def begun(rule: Rule, number: int) -> Any:
        keys = jax.random.split(jax.random.fold_in(key, _RULE + number), n_sequences)
        return jax.vmap(lambda batch, key: rule.init(cell, params, batch, key))(like, keys)

    states = {name: begun(other, 1 + i) for i, (name, other) in enumerate(observing.items())}
    start: tuple = (params, optimiser.init(params), begun(rule, 0), states)
    steps = jnp.arange(n_updates).reshape(-1, every)
    whole = run_once(functools.partial(jax.lax.scan, probed), start, steps)
    (params, *_), (losses, seen) = whole
    return Training(params, losses.reshape(-1), seen)


def mean_loss(cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
    """Return the mean of `rnnjax.sequence_loss` over sequences, leaves (B, T, ...), ()."""
    losses = jax.vmap(lambda sequence: scan.sequence_loss(cell, loss, params, sequence))
    return jnp.mean(losses(batch))


def accuracy(cell: Cell, params: Params, batch: Batch) -> Array:
    """Return the share of steps with weight whose largest output is the largest target, ().

    Args:
      cell: the cell, which classifies.
      params: its parameters.
      batch: sequences, leaves (B, T, ...), with one-hot targets.

    Returns:
      NaN without a step with weight. An output that is not finite is wrong.

    Raises:
      ValueError: `batch` has no leading axis, or not as many classes as the cell has outputs.
    """
    if batch.y.ndim != 3:
        expected = "sequences with one leading axis, y (B, T, n_y)"
        raise refusal("batch", expected, f"y {batch.y.shape}", shown_by=str)

    def right(sequence: Batch) -> tuple[Array, Array]:
        outputs = scan.outputs(cell, params, sequence.x)
        if outputs.shape != sequence.y.shape or outputs.shape[1] < 2:
            expected = f"one-hot targets of the {outputs.shape[1]} classes of the cell, at least 2"
            raise refusal("batch", expected, f"y with {sequence.y.shape[1]}", shown_by=str)
        is_right = jnp.argmax(outputs, axis=1) == jnp.argmax(sequence.y, axis=1)
        is_right &= jnp.all(jnp.isfinite(outputs), axis=1)
        due = sequence.mask != 0
        return jnp.sum(is_right & due), jnp.sum(due)

    hits, dues = jax.vmap(right)(batch)
    return jnp.sum(hits) / jnp.sum(dues)
