"""Stochastic gradient descent on networks that answer at the end, clipped and penalised (SGD-CR).

  w <- w - learning_rate min(1, max_norm / |g|) g,   g = dL/dw + penalty dOmega/dw     (1)

Without the penalty it is SGD-C, with max_norm = inf SGD-R, without both SGD: Pascanu, Mikolov and
Bengio, On the difficulty of training recurrent neural networks, ICML 2013. L is the mean
cross-entropy of a fresh batch, of a task such as `rnnjax.tasks.TemporalOrder`, and Omega that of
`rnnjax.penalties.omega_at_end`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax import shape_checks
from rnnjax.cells import Vanilla, VanillaParams
from rnnjax.losses import cross_entropy
from rnnjax.matrices import log_spectral_radius
from rnnjax.penalties import omega_at_end
from rnnjax.ranges import COUNT, Number, arguments, refusal
from rnnjax.train_pieces import train_in_pieces
from rnnjax.types import Array, Batch, Task

ARMS: Mapping[str, tuple[bool, bool]] = {
    "SGD": (False, False),
    "SGD-C": (True, False),
    "SGD-R": (False, True),
    "SGD-CR": (True, True),
}
"""Names of the special cases of equation (1): whether they clip, whether they penalise."""


class Descent(NamedTuple):
    """What `descend` returns.

    Attributes:
      params: the parameters after the last update.
      loss: L of each update before it, (n_updates,).
      log_norm: ln |g| of each update, before clipping, (n_updates,).
    """

    params: VanillaParams
    loss: Array
    log_norm: Array


@arguments(
    batch_size=COUNT,
    learning_rate=Number(above=0),
    max_norm=Number(above=0, infinite=True),
    penalty=Number(at_least=0),
)
def descend(
    cell: Vanilla,
    task: Task,
    params: VanillaParams,
    keys: Array,
    *,
    batch_size: int,
    learning_rate: Array | float,
    max_norm: Array | float = jnp.inf,
    penalty: Array | float = 0.0,
) -> Descent:
    """Make updates by equation (1).

    Args:
      cell: a network of tanh or sigmoid units that do not leak.
      task: its only loss, a cross-entropy, falls due at the last step of a sequence.
      params: the start.
      keys: one for the sequences of each update, (n_updates,).
      batch_size: sequences of an update.
      learning_rate: of equation (1).
      max_norm: norm to which gradients are clipped; inf for no clipping.
      penalty: weight of Omega.

    Returns:
      see `Descent`.

    Raises:
      ValueError: an argument does not fit, or the task has another loss.
    """

    def update(params: VanillaParams, key: Array) -> tuple[VanillaParams, tuple[Array, Array]]:
        batch = jax.vmap(task.sample)(jax.random.split(key, batch_size))
        _check_loss(task, batch.y, params)
        found = omega_at_end.gradient(cell, params, batch, penalty, _last(task, batch))
        log_norm = found.exponent + jnp.log(optax.tree.norm(found.gradient))
        # Before clipping the gradient may be larger than any float.
        factor = jnp.exp(found.exponent + jnp.minimum(0, jnp.log(max_norm) - log_norm))
        step = learning_rate * factor
        params = jax.tree.map(lambda w, g: w - step * g, params, found.gradient)
        return params, (found.loss, log_norm)

    params, (loss, log_norm) = jax.lax.scan(update, params, keys)
    return Descent(params, loss, log_norm)


@arguments(n_sequences=COUNT, batch_size=COUNT)
def error_rate(
    cell: Vanilla,
    task: Task,
    params: VanillaParams,
    key: Array,
    *,
    n_sequences: int,
    batch_size: int = 500,
) -> Array:
    """Measure the share of wrong answers on fresh sequences, ().

    NaN where a loss of the task falls due at another step than the last.

    Args:
      cell: see `descend`.
      task: see `descend`.
      params: its parameters.
      key: of the sequences.
      n_sequences: sequences; what is left over of whole batches is left out.
      batch_size: sequences that are computed side by side, or all where they are fewer.
    """
    batch_size = min(n_sequences, batch_size)

    def wrong(key: Array) -> Array:
        batch = jax.vmap(task.sample)(jax.random.split(key, batch_size))
        _check_loss(task, batch.y, params)
        h, last = omega_at_end.states(cell, params, batch.x), _last(task, batch)
        _, logits = omega_at_end.logits(params, h, last)
        _, targets, weights = omega_at_end.at_end(batch, last)
        classes = targets if targets.ndim == 1 else jnp.argmax(targets, axis=1)
        wrong = jnp.mean(jnp.argmax(logits, axis=1) != classes)
        return jnp.where(jnp.any(jnp.isnan(weights)), jnp.nan, wrong)

    return jnp.mean(jax.lax.map(wrong, jax.random.split(key, n_sequences // batch_size)))


@arguments(n_checks=COUNT, every=COUNT, n_checked=COUNT, stops_at=Number())
def train(
    cell: Vanilla,
    task: Task,
    params: VanillaParams,
    key: Array,
    *,
    n_checks: int,
    every: int,
    n_checked: int,
    stops_at: float,
    **options: Any,
) -> tuple[VanillaParams, dict[str, Array]]:
    """Train with a check of fresh sequences every so many updates, until few answers are wrong.

    Args:
      cell: see `descend`.
      task: see `descend`.
      params: the start.
      key: of all sequences.
      n_checks: checks of a whole training.
      every: updates between two checks.
      n_checked: fresh sequences of a check.
      stops_at: share of wrong answers at which training stops; below 0 it never does.
      options: those of `descend`.

    Returns:
      the parameters where training stopped or ended, and what was seen at the checks, where
      training had stopped that of the last one: ``check``, the share of wrong answers; of the
      updates before it ``loss``, their mean, and ``log_gradient``, ln of the largest |g|;
      ``radius``, the spectral radius of W; (n_checks,) each.
    """

    def until_check(params: VanillaParams, n: Array) -> tuple[VanillaParams, Any, Array]:
        keys = jax.random.split(jax.random.fold_in(key, n + 2), every + 1)
        params, loss, log_norm = descend(cell, task, params, keys[1:], **options)
        check = error_rate(cell, task, params, keys[0], n_sequences=n_checked)
        radius = jnp.exp(log_spectral_radius(params.W))
        seen = {"loss": jnp.mean(loss), "log_gradient": jnp.max(log_norm), "radius": radius}
        return params, seen | {"check": check}, check <= stops_at

    params, _, seen = train_in_pieces(until_check, params, n_pieces=n_checks)
    return params, seen


@arguments(solved=Number(at_most=1), every=COUNT)
def trained_and_tested(
    cell: Vanilla,
    task: Task,
    params: VanillaParams,
    key: Array,
    *,
    solved: float,
    tests: Sequence[tuple[Task, int]],
    every: int,
    **options: Any,
) -> dict[str, Array]:
    """Train as `train` does, and test the network on fresh sequences of several tasks.

    Args:
      cell: see `train`.
      task: see `train`.
      params: the start.
      key: of all sequences.
      solved: share of wrong answers at a check from which on the task is solved.
      tests: tasks with the number of their sequences; the first one is the test of success.
      every: updates between two checks.
      options: the others of `train`.

    Returns:
      what was seen at the checks; ``solved_at``, the updates before the first check at which the
      task is solved, +inf if there is none, (); ``error`` and ``further_error``, the shares of
      wrong answers in the first test and in the others, () and (n_tests - 1,).
    """
    trained, found = train(cell, task, params, key, every=every, **options)
    reached = found["check"] <= solved
    at = every * (1.0 + jnp.argmax(reached))
    keys = jax.random.split(jax.random.fold_in(key, 1), len(tests))
    error, *others = (
        error_rate(cell, task, trained, key, n_sequences=n)
        for key, (task, n) in zip(keys, tests, strict=True)
    )
    solved_at = jnp.where(jnp.any(reached), at, jnp.inf)
    return found | {"solved_at": solved_at, "error": error, "further_error": jnp.stack(others)}


@arguments(max_norm=Number(above=0), penalty=Number(at_least=0))
def every_arm(
    cell: Vanilla,
    task: Task,
    params: VanillaParams,
    key: Array,
    *,
    max_norm: Array | float,
    penalty: Array | float,
    **options: Any,
) -> dict[str, Array]:
    """Train and test a network by each of `ARMS`, one after the other, on the same sequences.

    Args:
      cell: see `trained_and_tested`.
      task: see `trained_and_tested`.
      params: the start.
      key: of all sequences.
      max_norm: norm to which the arms that clip do so.
      penalty: weight of Omega in the arms that have one.
      options: the others of `trained_and_tested`.

    Returns:
      what `trained_and_tested` returns, with a first axis for the arms. ``loss``,
      ``log_gradient`` and ``radius`` are +inf where a network has left the range of floats.
    """

    def one_arm(arm: Array) -> dict[str, Array]:
        limits = {"max_norm": jnp.where(arm[0], max_norm, jnp.inf), "penalty": penalty * arm[1]}
        return trained_and_tested(cell, task, params, key, **(options | limits))

    found = jax.lax.map(one_arm, jnp.array([*ARMS.values()]))
    lost = ("loss", "log_gradient", "radius")
    return found | {key: jnp.where(jnp.isnan(found[key]), jnp.inf, found[key]) for key in lost}


def _check_loss(task: Task, y: Array, params: VanillaParams) -> None:
    """Refuse a task whose loss is another one than the cross-entropy, as a few answers tell.

    Args:
      task: the task; if it says nothing of its loss, that is taken for the cross-entropy.
      y: its targets, (B, T) for the numbers of classes, else (B, T, n_y).
      params: those of the network.

    Raises:
      ValueError: its loss is another one; one that a traced field of the task sets is not known.
    """
    if not hasattr(task, "loss"):
        return
    n_y, is_number = len(params.c), y.ndim == 2 and jnp.issubdtype(y.dtype, jnp.integer)
    with jax.ensure_compile_time_eval():
        for number in (0, n_y - 1):
            answer = jnp.asarray(np.sin(1.0 + number + np.arange(n_y)), params.c.dtype)
            target = jnp.asarray(number if is_number else np.eye(n_y)[number], y.dtype)
            found, expected = task.loss(answer, target), cross_entropy(answer, target)
            if isinstance(found, jax.core.Tracer):
                return
            if not np.allclose(found, expected, rtol=1e-3, atol=1e-6):
                kind = shape_checks.kind_of(task)
                raise refusal("task", "one whose loss is the cross-entropy", kind, shown_by=str)


def _last(task: Task, batch: Batch) -> Array | None:
    """Return the step at which each sequence of a batch ends, None where all have one length."""
    if getattr(task, "shortest", None) is None:
        return None
    return jnp.argmax(batch.mask, axis=1)
