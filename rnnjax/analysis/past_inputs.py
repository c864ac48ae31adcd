"""What a network makes of the past in the add task: its answers, and their cross-entropy.

A past is what stands at the two lags, (x_{t-lag_1}, x_{t-lag_2}). It and x_t are eight cases with
equal shares; with each of them given exactly its share, the cross-entropy against the exact
probabilities has no chance in it, and that of a network without memory is its plateau
(`rnnjax.theory.add_task`).
"""

import jax
import jax.numpy as jnp

from rnnjax.analysis.strata import stratified
from rnnjax.theory import add_task
from rnnjax.types import Array, Batch, StepLoss

PASTS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
"""The inputs at lag_1 and lag_2."""


def answers_by_past(logits: Array, loss: StepLoss, batch: Batch) -> dict[str, Array]:
    """Measure the answers of a network to streams of the add task.

    Args:
      logits: its answers, (N, T, 2).
      loss: of a step: the cross-entropy.
      batch: at least two streams of `rnnjax.tasks.AddTask(drawn=False)`, leaves (N, T, ...), whose
        exact probabilities tell the past.

    Returns:
      ``cross_entropy``: of the exact probabilities, in nats, +inf where it is no number, ().
      ``cross_entropy_error``: its standard error, (). ``answer``: mean probability given to y = 1
      after each of `PASTS`, (4,).
    """
    losses = jax.vmap(jax.vmap(loss))(logits, batch.y)
    # The four pasts have four probabilities, so the target tells which it is.
    exact = jnp.array([add_task.probability(*past) for past in PASTS])
    past = (batch.y[..., 1:] == exact[None, None]) * batch.mask[..., None]
    x = jnp.where(batch.mask[..., None] != 0, batch.x, 0)  # whatever stands at other steps
    strata = (past[..., None] * x[..., None, :]).reshape(*losses.shape, -1)
    of_case, error = stratified(losses, strata)
    answer, _ = stratified(jax.nn.softmax(logits)[..., 1], strata)
    cross_entropy = jnp.mean(of_case)
    return {
        "cross_entropy": jnp.where(jnp.isfinite(cross_entropy), cross_entropy, jnp.inf),
        "cross_entropy_error": error,
        "answer": jnp.mean(answer.reshape(len(PASTS), -1), axis=1),
    }
