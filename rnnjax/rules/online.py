"""Online rules: the gradient step by step as the network runs, without a look back.

  memory_t, gradient_t = step(memory_{t-1}, what happens at t)                 (1)
  dL/dw ~ sum_t gradient_t + sum_t dl_t/dw  (through the readout)              (2)

A rule of this kind offers

  begin(cell, params, x, learned)         the memory at the start of a sequence
  prepare(cell, loss, params, moment)     what a step needs and the memory has no part in
  step(cell, loss, params, memory, prepared)   equation (1), gradients `influence.Blocks`
  learned(memory)                         what outlives the sequence
  untaught(cell, params, batch)           what it is before the first sequence
  noise(cell, params, key, n_steps)       random numbers of a sequence, leading axis T

and takes everything else from here. The past is not kept: memory does not grow with T. In training
with an update at every step (`rnnjax.train_online`) each step is prepared by itself; over a
sequence with fixed weights a piece of it is prepared at once, since many small products in a loop
cost many times what they cost side by side.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, gradient, masks, real_view, scaled, scan
from rnnjax.ranges import KEY
from rnnjax.rules import influence
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss

_PIECE = 64  # steps that are prepared at once


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
    cell, params, batch = boundary.admitted(cell, None, params, batch)
    view = real_view.of(cell, params, batch.x[0])
    learned = self.untaught(view.seen, view.inward(params), batch)
    return Carried(KEY.checked("key", key) if self.stochastic else None, learned)


def observe(
    rule: Any, cell: Cell, loss: StepLoss, params: Params, h: Scaled, batch: Batch, noise: Any
) -> tuple[Scaled, Moment]:
    """Run the steps of a piece from h, (n_h,); return the last state and the moments of them.

    Args:
      rule: gives the feedback weights, if it has any.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      h: the state before the first step.
      batch: the steps, with their `counts`.
      noise: the rule's random numbers for them.
    """
    trajectory = scan.steps(cell, params, batch.x, h, counts=batch.counts)
    losses, g = learning_signals(rule, cell, loss, params, trajectory.plain, batch)
    last = jax.tree.map(lambda a: a[-1], trajectory.states)
    return last, Moment(trajectory, batch, losses, g, noise)


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

    y = masks.of_weight(batch.y, batch.mask)

    def losses(y_hat: Array) -> Array:
        return scan.weighed(jax.vmap(loss)(y_hat, y), batch.mask)

    values, vjp = jax.vjp(losses, scan.readouts(cell, params, h, batch.mask))
    (errors,) = vjp(jnp.ones_like(values))
    g = errors @ feedback.T
    if isinstance(cell, real_view.RealView):
        g = jax.vmap(cell.cotangent)(g)
    return values, scaled.normalise(g, jnp.zeros(len(h), jnp.int32))


def random_feedback(key: Array, cell: Cell, params: Params) -> Array:
    """Draw feedback weights (n_h, n_y) of the size of a readout at its start, N(0, 1/n_h)."""
    h = cell.initial_state()
    (n_y,) = jax.eval_shape(cell.readout, params, h).shape
    return jax.random.normal(KEY.checked("key", key), (h.size, n_y)) / h.size**0.5


def advance(
    rule: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    carry: tuple[Scaled, Any],
    batch: Batch,
    noise: Any,
) -> tuple[tuple[Scaled, Any], tuple[Moment, Blocks]]:
    """Go S steps; return (state, memory) behind them, and moments and gradients, leaves (S, ...).

    The gradients are those of the recurrent weights.
    """
    h, memory = carry
    last, moments = observe(rule, cell, loss, params, h, batch, noise)
    prepared = jax.vmap(lambda moment: rule.prepare(cell, loss, params, moment))(moments)
    teaches = _learns(rule, memory)

    def step(memory: Any, at: tuple[Any, Array]) -> tuple[Any, Blocks]:
        now, counts = at
        new, grads = rule.step(cell, loss, params, memory, now)
        if rule.step_axis == "use":
            # What a rule predicts of the future at the end of a sequence is about nothing.
            grads = {i: Scaled(jnp.where(counts, g.value, 0), g.exponent) for i, g in grads.items()}
        # Nothing is learned behind the end of a sequence.
        return jax.tree.map(partial(jnp.where, counts), new, memory) if teaches else new, grads

    steps = (prepared, batch.counts)
    if len(batch.x) == 1:
        # A loop of one turn would be compiled as a loop.
        memory, grads = step(memory, jax.tree.map(lambda a: a[0], steps))
        grads = jax.tree.map(lambda a: a[None], grads)
    else:
        memory, grads = jax.lax.scan(step, memory, steps)
    return (last, memory), (moments, grads)


def _learns(rule: Any, memory: Any) -> bool:
    """Return whether what outlives a sequence changes within it: patterns of weights do not."""
    learned = jax.tree.leaves(rule.learned(memory))
    return any(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in learned)


def through_readout(
    cell: Cell, loss: StepLoss, params: Params, moments: Moment, *, per_step: bool
) -> Blocks:
    """Return the gradient through the readout of S steps, or of each of them."""
    h = moments.trajectory.plain
    if not per_step:
        return gradient.through_readout(cell, loss, params, h, moments.batch)
    steps = jax.tree.map(lambda a: a[:, None], (h, moments.batch))
    return jax.vmap(lambda *at: gradient.through_readout(cell, loss, params, *at))(*steps)


def start(
    rule: Any, cell: Cell, params: Params, x: Array, state: Carried
) -> tuple[tuple[Scaled, Any], Array | None, Array | None]:
    """Return (state, memory) at the start of a sequence, the key of its noise and the next key."""
    carry = scan.initial(cell, params), rule.begin(cell, params, x, state.learned)
    if state.key is None:
        return carry, None, None
    now, later = jax.random.split(state.key)
    return carry, now, later


@boundary.of_rule(real=True)
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
    steps = (batch, self.noise(cell, params, key, len(batch.x)))

    def piece(carry: tuple, at: tuple) -> tuple[tuple, tuple]:
        carry, (moments, grads) = advance(self, cell, loss, params, carry, *at)
        readout = through_readout(cell, loss, params, moments, per_step=per_step)
        return carry, (moments.loss, grads if per_step else scaled.sum_over_leading(grads), readout)

    found = []
    for part in _pieces(steps):
        run: Any = jax.lax.scan if per_step else _scan_and_sum
        carry, out = run(piece, carry, part)
        found.append(out)
    losses, own, readout = _joined(found, per_step)
    if not per_step:
        own, readout = scaled.sum_over_leading((own, readout))
    own = influence.by_leaf(cell, params, batch.x[0], own)
    own = jax.tree.map(scaled.renormalise, own, is_leaf=influence.is_scaled)
    like = _stacked(params, len(batch.x)) if per_step else params
    grads = gradient.as_params(like, own, readout)
    return RuleOut(jnp.sum(losses), grads, Carried(later, self.learned(carry[1])))


def _scan_and_sum(piece: Any, carry: tuple, steps: Any) -> tuple[tuple, tuple]:
    """Scan over pieces, keeping the sum of what they give instead of all of it, as a stack of 1."""

    def summed(carry: tuple, at: Any) -> tuple[tuple, Array]:
        network, total = carry
        network, (losses, *grads) = piece(network, at)
        return (network, scaled.add_trees(total, tuple(grads))), losses

    first = jax.tree.map(lambda a: a[0], steps)
    like = jax.eval_shape(lambda at: piece(carry, at)[1][1:], first)
    (network, total), losses = jax.lax.scan(summed, (carry, _zero(like)), steps)
    return network, (losses, *jax.tree.map(lambda a: a[None], total))


def _pieces(steps: Any) -> list[Any]:
    """Return the steps of a sequence as stacks of pieces, leaves (n, S, ...), the rest apart.

    Pieces are of one length if T can be divided so, for a rest is compiled by itself.
    """
    n_steps = len(jax.tree.leaves(steps)[0])
    size = next((s for s in range(min(_PIECE, n_steps), _PIECE // 4, -1) if n_steps % s == 0), 0)
    size = size or min(_PIECE, n_steps)
    n = n_steps // size * size
    parts = (slice(0, n), size), (slice(n, None), n_steps - n)
    return [
        jax.tree.map(lambda a, cut=cut, size=size: a[cut].reshape(-1, size, *a.shape[1:]), steps)
        for cut, size in parts
        if size
    ]


def _joined(found: list[tuple], per_step: bool) -> tuple:
    """Return what the stacks of pieces gave, as one: joined along time, or sums to be summed."""

    def join(*parts: Array) -> Array:
        flat = [p.reshape(-1, *p.shape[2:]) for p in parts] if per_step else list(parts)
        return jnp.concatenate(flat)

    losses, *rest = zip(*found, strict=True)
    return jnp.concatenate([a.reshape(-1) for a in losses]), *(
        jax.tree.map(join, *parts) for parts in rest
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
