"""An online rule over one sequence with fixed weights, a piece of it prepared at once."""

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import gradient, scaled
from rnnjax.rules import influence, online
from rnnjax.rules.problem import Problem
from rnnjax.types import Array, Batch, RuleOut

_PIECE = 64  # steps that are prepared at once


def run(rule: Any, problem: Problem, batch: Batch, state: Any, per_step: bool) -> RuleOut:
    """Return loss and gradient of one sequence, equation (2) of `rnnjax.rules.online`.

    Args:
      rule: an `rnnjax.rules.online.OnlineRule`.
      problem: the network and its loss.
      batch: one sequence.
      state: what the rule carries from the sequences before.
      per_step: keep the steps apart; without it nothing grows with T.
    """
    carry, key, later = online.start(rule, problem, batch.x[0], state)
    steps = (batch, rule.noise(problem, key, len(batch.x)))

    def piece(carry: tuple, at: tuple) -> tuple[tuple, tuple]:
        carry, (observed, grads) = online.advance(rule, problem, carry, *at)
        readout = online.through_readout(problem, observed, per_step=per_step)
        own = grads if per_step else scaled.sum_over_leading(grads)
        return carry, (observed.loss, own, readout)

    found = []
    for part in _pieces(steps):
        scan: Any = jax.lax.scan if per_step else _scan_and_sum
        carry, out = scan(piece, carry, part)
        found.append(out)
    losses, own, readout = _joined(found, per_step)
    if not per_step:
        own, readout = scaled.sum_over_leading((own, readout))
    own = influence.by_leaf(problem, batch.x[0], own)
    own = jax.tree.map(scaled.renormalise, own, is_leaf=scaled.is_scaled)
    leading = (len(batch.x),) if per_step else ()
    grads = gradient.as_params(problem.params, own, readout, leading=leading)
    return RuleOut(jnp.sum(losses), grads, online.Carried(later, rule.learned(carry[1])))


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
        is_leaf=scaled.is_scaled,
    )
