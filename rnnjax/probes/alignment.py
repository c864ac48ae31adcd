"""How the gradients of learning rules lie to one another.

For gradients G_a (one or several draws of each rule a):

  cosine           of the mean over draws                     cos(E G_a, E G_b)          (1)
  mean_cosine      over draws                                 E cos(G_a, G_b)            (2)
  sign_agreement   share of the weights on whose sign both means agree                   (3)
                   (of complex weights both parts count)
  log_norm         ln |E G_a|                                                            (4)
  log_bias         ln |E G_a - G|, log_spread  ln sqrt(E |G_a - E G_a|^2), with G the reference (5)

What is undefined (an angle to a gradient that is 0) is NaN, and `reason` says why. Compared are the
recurrent weights, those that the step reads: the gradient of the readout is the same in every rule
and would make each look better than it is. For the same reason
there is `by_lag`: nearly all of a gradient may come from lag 0, where every rule is exact.

The idea of measuring any number of rules on the trajectory of one of them is that of Marschall, Cho
and Savin, A unified framework of online learning algorithms for training recurrent neural networks,
Journal of Machine Learning Research, 2020.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import boundary, masks, real_view, scaled, scan
from rnnjax.ranges import COUNT, arguments
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss

DEFINED, SILENT, ZERO, NOT_FINITE = range(4)
"""`reason`: defined; no unit moves; one of the two gradients is 0; one of them is not finite."""


@arguments(n_draws=COUNT)
def recurrent_gradient(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    *,
    n_draws: int = 1,
) -> Scaled:
    """Return the gradient of a rule by the recurrent weights, on one sequence.

    Args:
      rule: the learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence.
      state: of the rule, as `rule.init` or training made it.
      n_draws: draws of a stochastic rule; the gradient of any other is repeated.

    Returns:
      all weights that the step reads, leaf by leaf in one vector: value (n_draws, n_weights),
      exponent (n_draws,).
    """
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)

    def one(state: Any) -> Scaled:
        grads = rule(cell, loss, params, batch, state).grads
        leaves = jax.tree.leaves(grads, is_leaf=influence.is_scaled)
        return _as_vector([leaves[i] for i in influence.read(cell, params, batch.x[0])])

    if not rule.stochastic:
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (n_draws, *a.shape)), one(state))
    keys = jax.random.split(state.key, n_draws)
    return jax.vmap(lambda key: one(state._replace(key=key)))(keys)


def _as_vector(leaves: Sequence[Scaled]) -> Scaled:
    """Return leaves as one vector with one exponent."""
    top = jnp.max(jnp.stack([leaf.exponent for leaf in leaves]), axis=0)
    parts = [scaled.lower(leaf.value, leaf.exponent - top).reshape(-1) for leaf in leaves]
    return scaled.normalise(jnp.concatenate(parts), top)


def compared(draws: Mapping[str, Scaled], *, reference: str) -> dict[str, Array]:
    """Measure equations (1) to (5) for every pair of rules.

    Args:
      draws: by name of R rules, (n_draws, n_weights), as `recurrent_gradient` gives them.
      reference: the rule that gives G.

    Returns:
      ``cosine``, ``mean_cosine``, ``sign_agreement``, (R, R); ``log_norm``, ``log_bias``,
      ``log_spread``, (R,); ``reason``, int8 (R, R), without SILENT, of which only the states tell
      (see `is_silent`).
    """
    every = jax.tree.map(lambda *a: jnp.stack(a), *draws.values())

    def against(other: Scaled) -> dict[str, Array]:
        return jax.vmap(lambda own: versus(own, other))(every)

    found = jax.vmap(against, out_axes=1)(every)
    place = list(draws).index(reference)
    one_sided = {key: found[key][:, place] for key in ("log_norm", "log_bias", "log_spread")}
    return {**found, **one_sided}


def versus(draws: Scaled, reference: Scaled) -> dict[str, Array]:
    """Measure equations (1) to (5) for one rule against another.

    Args:
      draws: of the rule, (n_draws, n_weights).
      reference: of the other, likewise.

    Returns:
      ``cosine``, ``mean_cosine``, ``sign_agreement``, ``log_norm``, ``log_bias``, ``log_spread``,
      () each, and ``reason``, int8 ().
    """
    mean, truth = mean_of(draws), mean_of(reference)
    apart = scaled.log_norm(_difference(draws, mean))
    signs = _signs(mean) * _signs(truth)
    log_norm = scaled.log_norm(mean)
    return {
        "cosine": scaled.cosine(mean, truth),
        "mean_cosine": jnp.mean(scaled.cosine(draws, reference)),
        "sign_agreement": jnp.where(
            jnp.any(jnp.isnan(signs)), jnp.nan, jnp.sum(signs > 0) / jnp.sum(signs != 0)
        ),
        "log_norm": log_norm,
        "log_bias": scaled.log_norm(_difference(mean, truth)),
        "log_spread": 0.5 * (jax.nn.logsumexp(2 * apart) - jnp.log(len(apart))),
        "reason": _reason(log_norm, scaled.log_norm(truth)),
    }


def _signs(v: Scaled) -> Array:
    """Return the signs of a vector's entries; of complex ones those of both parts."""
    value = v.value
    return jnp.sign(real_view.split(value) if jnp.iscomplexobj(value) else value)


def mean_of(draws: Scaled) -> Scaled:
    """Return the mean over draws, value (n_weights,)."""
    return scaled.divide(scaled.sum_over_leading(draws), len(draws.exponent))


def _difference(a: Scaled, b: Scaled) -> Scaled:
    """Return a - b for vectors, a stacked or not."""
    negative = Scaled(jnp.broadcast_to(-b.value, a.value.shape), b.exponent + 0 * a.exponent)
    return scaled.add(a, negative) if a.exponent.ndim == 0 else jax.vmap(scaled.add)(a, negative)


def _reason(log_norm: Array, other: Array) -> Array:
    both = jnp.stack([log_norm, other])
    finite = jnp.all(~jnp.isnan(both) & (both < jnp.inf))
    zero = jnp.any(jnp.isneginf(both))
    return jnp.where(~finite, NOT_FINITE, jnp.where(zero, ZERO, DEFINED)).astype(jnp.int8)


def by_lag(
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
    the difference of two memories that were begun at its edges (for a stochastic rule with the same
    random numbers).

    Args:
      rule: a learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence; of its mask only the last weight counts.
      state: of the rule.
      edges: n + 1 lags, rising from 0; the windows are edges[i] <= lag < edges[i + 1].

    Returns:
      value (n, n_weights), exponent (n,), the weights as in `recurrent_gradient`.
    """
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)
    counts = masks.counted(batch.mask)
    is_last = jnp.arange(len(counts)) == masks.last(counts)
    last = Batch(batch.x, batch.y, jnp.where(is_last, batch.mask, 0), counts)
    if rule.step_axis == "use":
        return _by_use(rule, cell, loss, params, last, state, edges)
    begun = _since(rule, cell, loss, params, last, state, jnp.asarray(edges[1:]))
    inner = jax.tree.map(lambda a: jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]]), begun)
    return jax.vmap(_difference)(begun, inner)


def _by_use(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    edges: Sequence[int],
) -> Scaled:
    grads = rule(cell, loss, params, batch, state, per_step=True).grads
    leaves = jax.tree.leaves(grads, is_leaf=influence.is_scaled)
    read = influence.read(cell, params, batch.x[0])
    steps = jax.vmap(lambda *leaves: _as_vector(leaves))(*[leaves[i] for i in read])
    lag = masks.last(batch.counts) - jnp.arange(len(batch.x))

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
    cell, params = view.seen, view.inward(params)
    (h, fresh), key, _ = online.start(rule, cell, params, x, state)
    noise = rule.noise(cell, params, key, n_steps)
    _, moments = online.observe(rule, cell, loss, params, h, batch, noise)
    prepared = jax.vmap(lambda moment: rule.prepare(cell, loss, params, moment))(moments)

    def advance(memory: Any, at: Any) -> tuple[Any, Blocks]:
        return rule.step(cell, loss, params, memory, at)

    _, like = jax.eval_shape(advance, fresh, jax.tree.map(lambda a: a[0], prepared))
    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)

    def run(length: Array) -> Scaled:
        def step(carry: tuple, at: tuple) -> tuple[tuple, None]:
            t, now = at
            begins = rule.begin(cell, params, x, rule.learned(carry[0]))
            memory = jax.tree.map(
                lambda new, old: jnp.where(t == end + 1 - length, new, old), begins, carry[0]
            )
            stays = partial(jnp.where, t <= end)
            return jax.tree.map(stays, advance(memory, now), carry), None

        (_, grads), _ = jax.lax.scan(step, (fresh, nothing), (jnp.arange(n_steps), prepared))
        found = influence.by_leaf(cell, params, x, grads)
        return _as_vector(list(view.gradient_by_leaf(found).values()))

    return jax.vmap(run)(lengths)


def is_silent(cell: Cell, params: Params, batch: Batch) -> Array:
    """Return whether no state entry ever changes along the sequence, boolean ().

    In a silent network every gradient says the same, namely nothing about the recurrent weights.
    """
    cell, params, batch = boundary.admitted(cell, None, params, batch)
    states = scan.of_batch(cell, params, batch).states
    zero = scaled.is_zero(states.exponent)
    exponent = jnp.where(zero, scaled.ZERO_EXPONENT, states.exponent)
    return jnp.all(states.value == states.value[:1]) & jnp.all(exponent == exponent[:1])
