"""What the output that a Jordan network feeds back does to its gradient.

  loop gain  g_t = |d o_t / d o_{t-1}| of the output fed back             (1)
  sent       di3_t = dE / do_{t-1} through step t alone                   (2)

di3 is what step t of C. Yuan's slides (2022) sends back as the delta x of step t - 1. A step
multiplies two slopes of the logistic function, at most 1/4 each, so

  g_t <= sum_j |V_Rj W_jR| / 16                                           (3)

with R the output that is fed back. By (3) the loop of a network with small weights hardly counts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import adjoint, cotangents, scaled, scan
from rnnjax.cells.jordan import Jordan, JordanParams
from rnnjax.ranges import COUNT, arguments, refusal
from rnnjax.rules import DiscountedRTRL, batch_gradient
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss


class Feedback(NamedTuple):
    """What `feedback` returns.

    Attributes:
      loop_gain: equation (1), (T,).
      bound: equation (3), ().
      sent: equation (2) of the backward pass, (T,).
      expected: the same by automatic differentiation, (T,).
    """

    loop_gain: Array
    bound: Array
    sent: Array
    expected: Array


def feedback(cell: Jordan, loss: StepLoss, params: JordanParams, batch: Batch) -> Feedback:
    """Measure equations (1) to (3) on one sequence.

    Args:
      cell: a logistic network that feeds back one output.
      loss: of a step.
      params: its parameters.
      batch: one sequence, leaves (T, ...).

    Raises:
      ValueError: it feeds back more or fewer outputs, or its units are not logistic.
    """
    if len(cell.fed_back) != 1 or cell.activation.name != "sigmoid":
        message = f"{len(cell.fed_back)} outputs fed back, units {cell.activation.name}"
        raise refusal("cell", "one output fed back and sigmoid units", message, shown_by=str)
    (out,) = cell.fed_back
    trajectory = scan.unroll(cell, params, batch.x)
    jacobian = jax.vmap(lambda h, x: jax.jacobian(cell.step, 1)(params, h, x))
    loop_gain = jnp.abs(jacobian(trajectory.h_prev, batch.x)[:, out, out])
    bound = jnp.abs(params.V[out]) @ jnp.abs(params.W[:, cell.n_x]) / 16
    return Feedback(loop_gain, bound, *_sent(cell, loss, params, batch, trajectory, out))


def feedback_statistics(
    cell: Jordan, loss: StepLoss, params: JordanParams, batch: Batch
) -> dict[str, Array]:
    """Summarise equations (1) to (3) over sequences.

    Args:
      cell: see `feedback`.
      loss: of a step.
      params: its parameters.
      batch: sequences, leaves (B, T, ...).

    Returns:
      ``loop_gain``, mean of equation (1); ``loop_gain_over_bound``, the largest over (3);
      ``sent_error``, the largest distance of (2) from automatic differentiation; () each.
    """
    found = jax.vmap(lambda one: feedback(cell, loss, params, one))(batch)
    return {
        "loop_gain": jnp.mean(found.loop_gain),
        "loop_gain_over_bound": jnp.max(found.loop_gain / found.bound[:, None]),
        "sent_error": jnp.max(jnp.abs(found.sent - found.expected)),
    }


@arguments(n_cycles=COUNT)
def errors_by_cycle(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    exact: Any,
    n_cycles: int = 1,
) -> tuple[Array, Array]:
    """Compare the gradient of a rule, cycle after cycle with frozen weights, to the exact one.

    Args:
      rule: keeps its state from cycle to cycle.
      cell: the network.
      loss: of a step.
      params: its parameters.
      batch: the sequences of a cycle, leaves (B, T, ...).
      exact: the gradient of the mean loss, a tree of `Scaled`.
      n_cycles: how often the sequences are shown.

    Returns:
      ||g - g_exact|| / ||g_exact|| and the cosine of both, (n_cycles,) each.
    """

    def one(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        out = batch_gradient(rule, cell, loss, params, batch, state)
        gap = jax.tree.map(jnp.subtract, scaled.plain(out.grads), scaled.plain(exact))
        norms = (jnp.exp(scaled.log_norm(tree)) for tree in (scaled.normalise_tree(gap), exact))
        return out.state, (jnp.divide(*norms), scaled.cosine(out.grads, exact))

    state = jax.vmap(lambda sequence: rule.init(cell, params, sequence))(batch)
    found: tuple[Array, Array] = jax.lax.scan(one, state, None, length=n_cycles)[1]
    return found


def errors_of_traces(
    decays: Sequence[float], cell: Cell, loss: StepLoss, params: Params, batch: Batch, exact: Any
) -> Array:
    """Measure `errors_by_cycle` of true traces in their first cycle.

    Args:
      decays: of the traces, each from 0 (no memory) to 1 (exact).
      cell: the network.
      loss: of a step.
      params: its parameters.
      batch: the sequences, leaves (B, T, ...).
      exact: the gradient of the mean loss, a tree of `Scaled`.

    Returns:
      ||g - g_exact|| / ||g_exact||, (n_decays,).
    """

    def one(decay: Array) -> Array:
        rule = DiscountedRTRL(decay)
        return errors_by_cycle(rule, cell, loss, params, batch, exact)[0][0]

    return jax.lax.map(one, jnp.array(decays))


def _sent(
    cell: Jordan,
    loss: StepLoss,
    params: JordanParams,
    batch: Batch,
    trajectory: Trajectory,
    out: int,
) -> tuple[Array, Array]:
    """Equation (2), by the backward pass and by automatic differentiation of the plain scan."""

    def total(nudges: Array) -> Array:
        def step(o: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
            x, nudge = at
            o = cell.step(params, o + nudge, x)
            return o, o

        _, o = jax.lax.scan(step, cell.initial_state(), (batch.x, nudges))
        return jnp.sum(jax.vmap(loss)(o, batch.y))

    h = scaled.plain(trajectory.states)
    _, g = cotangents.readout_source(cell, loss, params, h, batch.y, batch.mask)
    nothing = scaled.normalise(jnp.zeros(cell.n_y))
    residuals = scan.residuals(cell, params, trajectory)
    deltas, _ = adjoint.scan_back(cell, params, residuals, nothing, g)
    sent = scaled.plain(adjoint.rmv_of_steps(cell, params, residuals, deltas))[:, out]
    return sent, jax.grad(total)(jnp.zeros_like(batch.y))[:, out]
