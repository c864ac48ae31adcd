"""Online rules: the gradient step by step as the network runs, without a look back.

  memory_t, gradient_t = step(memory_{t-1}, what happens at t)                 (1)
  dL/dw ~ sum_t gradient_t + sum_t dl_t/dw  (through the readout)              (2)

A rule of this kind offers

  begin(cell, params, x, learned)                the memory at the start of a sequence
  step(cell, loss, params, memory, moment)       equation (1), gradients as `influence.Blocks`
  learned(memory)                                what outlives the sequence
  untaught(cell, params, batch)                  what it is before the first sequence
  noise(cell, params, key, n_steps)              random numbers of a sequence, leading axis T

and takes everything else from here. The states of the past are not kept: memory does not grow with
T. The same `step` serves whole sequences with fixed weights (`over_sequence`) and training with an
update at every step (`rnnjax.train.fit_online`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import adjoint, gradient, scaled, scan
from rnnjax.rules import influence
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


class Moment(NamedTuple):
    """One step of a network and what fell due at it.

    Attributes:
      trajectory: the step, leaves without T.
      batch: input, target and weight of the step, leaves without T.
      loss: l_t, ().
      g: the learning signal dl_t/dh_t, value (n_h,).
      noise: the rule's random numbers of this step; None if it needs none.
    """

    trajectory: Trajectory
    batch: Batch
    loss: Array
    g: Scaled
    noise: Any


class Carried(NamedTuple):
    """What an online rule carries from sequence to sequence.

    Attributes:
      key: of its noise; None if it needs none.
      learned: what it has learned about the network; () if it learns nothing.
    """

    key: Array | None
    learned: Any


def no_noise(self: Any, cell: Cell, params: Params, key: Array | None, n_steps: int) -> None:
    """Return no random numbers. A method, to be named."""


def untaught(self: Any, cell: Cell, params: Params, batch: Batch) -> tuple[()]:
    """Return that the rule learns nothing. A method, to be named."""
    return ()


def nothing_learned(self: Any, memory: Any) -> tuple[()]:
    """Return that nothing outlives the sequence. A method, to be named."""
    return ()


def init(self: Any, cell: Cell, params: Params, batch: Batch, key: Array | None = None) -> Carried:
    """Return the state before the first sequence. A method, to be named.

    Raises:
      ValueError: the rule is stochastic and has no key.
    """
    if self.stochastic and key is None:
        raise ValueError(f"key: expected a key, because {type(self).__name__} draws random numbers")
    return Carried(key if self.stochastic else None, self.untaught(cell, params, batch))


def observe(
    rule: Any, cell: Cell, loss: StepLoss, params: Params, h: Scaled, at: Batch, noise: Any
) -> Moment:
    """Return what happens in the step from h to the next state."""
    trajectory = scan.one_step(cell, params, h, at.x)
    now = jax.tree.map(lambda a: a[None], (scaled.plain(trajectory.states), at))
    losses, g = learning_signals(rule, cell, loss, params, *now)
    loss_now, g_now = jax.tree.map(lambda a: a[0], (losses, g))
    return Moment(trajectory, at, loss_now, g_now, noise)


def learning_signals(
    rule: Any, cell: Cell, loss: StepLoss, params: Params, h: Array, batch: Batch
) -> tuple[Array, Scaled]:
    """Return the losses of S steps and g_t, through the rule's own feedback weights if it has them.

    With feedback weights F (n_h, n_y) in the place of the transposed readout, g_t = F dl_t/dy_t
    (Lillicrap, Cownden, Tweed and Akerman, Random synaptic feedback weights support error
    backpropagation for deep learning, Nature Communications, 2016).

    Args:
      rule: may have `feedback`, (n_h, n_y).
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      h: states, (S, n_h).
      batch: targets and weights of these steps.
    """
    feedback = getattr(rule, "feedback", None)
    if feedback is None:
        return adjoint.readout_source(cell, loss, params, h, batch.y, batch.mask)

    def losses(y_hat: Array) -> Array:
        return jnp.where(batch.mask != 0, batch.mask * jax.vmap(loss)(y_hat, batch.y), 0)

    values, vjp = jax.vjp(losses, jax.vmap(lambda h: cell.readout(params, h))(h))
    (errors,) = vjp(jnp.ones_like(values))
    return values, scaled.normalise(errors @ feedback.T, jnp.zeros(len(h), jnp.int32))


def random_feedback(key: Array, cell: Cell, params: Params) -> Array:
    """Draw feedback weights (n_h, n_y) of the size of a readout at its start, N(0, 1/n_h)."""
    h = cell.initial_state()
    (n_y,) = jax.eval_shape(cell.readout, params, h).shape
    return jax.random.normal(key, (h.size, n_y)) / h.size**0.5


def advance(
    rule: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    carry: tuple[Scaled, Any],
    at: Batch,
    noise: Any,
) -> tuple[tuple[Scaled, Any], tuple[Array, Blocks, Blocks]]:
    """Return (state, memory) after a step, and (loss, gradient, gradient through the readout)."""
    h, memory = carry
    moment = observe(rule, cell, loss, params, h, at, noise)
    memory, grads = rule.step(cell, loss, params, memory, moment)
    states = moment.trajectory.states
    now = jax.tree.map(lambda a: a[None], (scaled.plain(states), at))
    readout = gradient.through_readout(cell, loss, params, *now)
    return (states, memory), (moment.loss, grads, readout)


def start(
    rule: Any, cell: Cell, params: Params, x: Array, state: Carried
) -> tuple[tuple[Scaled, Any], Array | None, Array | None]:
    """Return (state, memory) at the start of a sequence, the key of its noise and the next key."""
    carry = scan.initial(cell, params), rule.begin(cell, params, x, state.learned)
    if state.key is None:
        return carry, None, None
    now, later = jax.random.split(state.key)
    return carry, now, later


def over_sequence(
    self: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any = (),
    *,
    per_step: bool = False,
) -> RuleOut:
    """Return loss and gradient of one sequence, equation (2); see `rnnjax.types.Rule`.

    A method, to be named. Without ``per_step`` nothing grows with T. Without a state it starts as
    before the first sequence.
    """
    state = state or self.init(cell, params, batch)
    carry, key, later = start(self, cell, params, batch.x[0], state)
    noise = self.noise(cell, params, key, len(batch.x))

    def whole(at: tuple) -> tuple:
        return advance(self, cell, loss, params, carry, *at)[1][1:]

    def step(carry: tuple, at: tuple) -> tuple[tuple, tuple]:
        network, total = carry
        network, (loss_now, *grads) = advance(self, cell, loss, params, network, *at)
        if per_step:
            return (network, total), (loss_now, tuple(grads))
        return (network, scaled.add_trees(total, tuple(grads))), (loss_now, None)

    first = jax.tree.map(lambda a: a[0], (batch, noise))
    total = _zero(jax.eval_shape(whole, first))
    (network, total), (losses, steps) = jax.lax.scan(step, (carry, total), (batch, noise))
    grads = steps if per_step else total
    like = params if not per_step else _stacked(params, len(losses))
    return RuleOut(
        jnp.sum(losses),
        gradient.as_params(like, *grads),
        Carried(later, self.learned(network[1])),
    )


def _zero(like: Any) -> Any:
    """Return zeros for a tree of shapes of `Scaled`."""
    return jax.tree.map(
        lambda s: scaled.normalise(jnp.zeros(s.value.shape, s.value.dtype)),
        like,
        is_leaf=influence.is_scaled,
    )


def _stacked(params: Params, n_steps: int) -> Params:
    return jax.tree.map(lambda p: jnp.broadcast_to(p[None], (n_steps, *p.shape)), params)
