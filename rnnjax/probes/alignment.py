"""How the gradients of learning rules lie to one another.

For gradients G_a (one or several draws of each rule a):

  cosine           of the mean over draws                     cos(E G_a, E G_b)          (1)
  mean_cosine      over draws                                 E cos(G_a, G_b)            (2)
  sign_agreement   share of the weights on whose sign both means agree                   (3)
  log_norm         ln |E G_a|                                                            (4)
  log_bias         ln |E G_a - G|, log_spread  ln sqrt(E |G_a - E G_a|^2), with G the reference (5)

What is undefined (an angle to a gradient that is 0) is NaN, and `reason` says why. Compared are the
recurrent weights, those that the step reads, together and block by block: the gradient of the
readout is the same in every rule and would make each look better than it is. For the same reason
there is `by_lag`: nearly all of a gradient may come from lag 0, where every rule is exact.

The idea of measuring any number of rules on the trajectory of one of them is that of Marschall, Cho
and Savin, A unified framework of online learning algorithms for training recurrent neural networks,
Journal of Machine Learning Research, 2020.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import scaled, scan
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss

DEFINED, SILENT, ZERO, NOT_FINITE = range(4)
"""`reason`: defined; no unit moves; one of the two gradients is 0; one of them is not finite."""


def gradients(
    rules: Mapping[str, Rule],
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    key: Array,
    *,
    n_draws: int = 1,
    states: Mapping[str, Any] | None = None,
) -> dict[str, Blocks]:
    """Return the gradient by the recurrent weights of every rule on one sequence.

    Args:
      rules: by name; none may refuse the cell.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence.
      key: random numbers of the stochastic rules.
      n_draws: draws of each; the gradient of a rule that draws nothing is repeated.
      states: the state of each rule, for those that have learned something; afresh if None.

    Returns:
      by name, blocks (n_draws, *leaf).
    """
    read = influence.read(cell, params, batch.x[0])

    def one(rule: Rule, state: Any) -> Blocks:
        grads = rule(cell, loss, params, batch, state).grads
        leaves = jax.tree.leaves(grads, is_leaf=influence.is_scaled)
        return {i: leaves[i] for i in read}

    found = {}
    for number, (name, rule) in enumerate(rules.items()):
        given = None if states is None else states[name]
        found[name] = _draws(
            rule, one, cell, params, batch, jax.random.fold_in(key, number), n_draws, given
        )
    return found


def _draws(
    rule: Rule,
    one: Any,
    cell: Cell,
    params: Params,
    batch: Batch,
    key: Array,
    n_draws: int,
    given: Any,
) -> Blocks:
    state = rule.init(cell, params, batch, key) if given is None else given
    if not rule.stochastic:
        single = one(rule, state)
        return jax.tree.map(lambda a: jnp.broadcast_to(a[None], (n_draws, *a.shape)), single)
    keys = jax.random.split(key, n_draws)
    return jax.vmap(lambda key: one(rule, online.Carried(key, state.learned)))(keys)


def compared(found: Mapping[str, Blocks], *, reference: str) -> dict[str, Array]:
    """Measure equations (1) to (5).

    Args:
      found: by name of R rules, blocks (n_draws, *leaf), as `gradients` gives them.
      reference: the rule that gives G.

    Returns:
      ``cosine``, ``mean_cosine``, ``sign_agreement``, (R, R); ``cosine_of_block``, (R, R, L), L
      leaves in order; ``log_norm``, ``log_bias``, ``log_spread``, (R,); ``reason``, int8 (R, R),
      without SILENT, of which only the states tell (see `is_silent`).
    """
    names = list(found)
    every = _stacked([found[name] for name in names])  # blocks (R, n_draws, *leaf)
    mean = _mean_over_draws(every)
    truth = jax.tree.map(lambda a: a[names.index(reference)], mean)

    def off(a: Blocks, b: Blocks) -> Blocks:
        negative = {i: scaled.Scaled(-s.value, s.exponent) for i, s in b.items()}
        return scaled.add_trees(a, negative)

    def spread(draws: Blocks, mean: Blocks) -> Array:
        apart = jax.vmap(lambda draw: scaled.log_norm(off(draw, mean)))(draws)
        return 0.5 * (jax.nn.logsumexp(2 * apart) - jnp.log(len(apart)))

    def pairs(function: Any, a: Blocks) -> Array:
        return jax.vmap(lambda x: jax.vmap(lambda y: function(x, y))(a))(a)

    def over_draws(a: Blocks, b: Blocks) -> Array:
        return jnp.mean(jax.vmap(scaled.cosine)(a, b))

    log_norm = jax.vmap(scaled.log_norm)(mean)
    return {
        "cosine": pairs(scaled.cosine, mean),
        "mean_cosine": pairs(over_draws, every),
        "sign_agreement": pairs(_sign_agreement, mean),
        "cosine_of_block": jnp.stack(
            [pairs(scaled.cosine, {0: block}) for block in mean.values()], axis=-1
        ),
        "log_norm": log_norm,
        "log_bias": jax.vmap(lambda a: scaled.log_norm(off(a, truth)))(mean),
        "log_spread": jax.vmap(spread)(every, mean),
        "reason": _reasons(log_norm),
    }


def by_lag(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    key: Array,
    edges: Sequence[int],
    *,
    state: Any = None,
) -> Blocks:
    """Return what the loss of the last step alone says about weights by how long ago they were used.

    The lag of a use at step s is T - s. Rules that go back split their gradient by use; a rule that
    goes forward is linear in D_t, so a window of lags is the difference of two memories that were
    begun at its edges (for a stochastic rule with the same random numbers).

    Args:
      rule: a learning rule.
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence; of its mask only the last entry counts.
      key: random numbers of a stochastic rule.
      edges: n + 1 lags, rising from 0; the windows are edges[i] <= lag < edges[i + 1].
      state: of a rule that has learned something; afresh if None.

    Returns:
      blocks (n, *leaf) of the recurrent weights.
    """
    last = batch.replace(mask=jnp.zeros_like(batch.mask).at[-1].set(batch.mask[-1]))
    state = rule.init(cell, params, last, key) if state is None else state
    if rule.step_axis == "use":
        return _by_use(rule, cell, loss, params, last, state, edges)
    begun = _since(rule, cell, loss, params, last, state, jnp.asarray(edges[1:]))
    inner = jax.tree.map(lambda a: jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]]), begun)
    return {
        i: scaled.add(s, scaled.Scaled(-inner[i].value, inner[i].exponent))
        for i, s in begun.items()
    }


def _by_use(
    rule: Rule,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any,
    edges: Sequence[int],
) -> Blocks:
    grads = rule(cell, loss, params, batch, state, per_step=True).grads
    leaves = jax.tree.leaves(grads, is_leaf=influence.is_scaled)
    lag = len(batch.x) - 1 - jnp.arange(len(batch.x))

    def window(first: Array, behind: Array) -> Blocks:
        inside = (lag >= first) & (lag < behind)
        # The exponent of a zero must be that of zero, or it would hide what is far below 1.
        chosen = {
            i: scaled.Scaled(
                jnp.where(inside.reshape(-1, *(1,) * (leaves[i].value.ndim - 1)), leaves[i].value, 0),
                jnp.where(inside, leaves[i].exponent, scaled.ZERO_EXPONENT),
            )
            for i in influence.read(cell, params, batch.x[0])
        }
        return scaled.sum_over_leading(chosen)

    edges = jnp.asarray(edges)
    return jax.vmap(window)(edges[:-1], edges[1:])


def _since(
    rule: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: online.Carried,
    lengths: Array,
) -> Blocks:
    """Return the gradient of the last step for memories begun `lengths` steps before the end."""
    n_steps = len(batch.x)
    (h, fresh), key, _ = online.start(rule, cell, params, batch.x[0], state)
    noise = rule.noise(cell, params, key, n_steps)
    _, moments = online.observe(rule, cell, loss, params, h, batch, noise)
    prepared = jax.vmap(lambda moment: rule.prepare(cell, loss, params, moment))(moments)
    _, like = jax.eval_shape(
        lambda m, at: rule.step(cell, loss, params, m, at), fresh, jax.tree.map(lambda a: a[0], prepared)
    )

    def run(length: Array) -> Blocks:
        def step(carry: tuple, at: tuple) -> tuple[tuple, None]:
            t, now = at
            begins = rule.begin(cell, params, batch.x[0], rule.learned(carry[0]))
            memory = jax.tree.map(
                lambda new, old: jnp.where(t == n_steps - length, new, old), begins, carry[0]
            )
            return rule.step(cell, loss, params, memory, now), None

        nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), like)
        (_, grads), _ = jax.lax.scan(
            step, (fresh, nothing), (jnp.arange(n_steps), prepared)
        )
        return influence.by_leaf(cell, params, batch.x[0], grads)

    return jax.vmap(run)(lengths)


def is_silent(cell: Cell, params: Params, batch: Batch) -> Array:
    """Return whether no state entry ever changes along the sequence, boolean ().

    In a silent network every gradient says the same, namely nothing about the recurrent weights.
    """
    states = scaled.plain(scan.unroll(cell, params, batch.x).states)
    return jnp.all(jnp.std(states, axis=0) == 0)


def _reasons(log_norm: Array) -> Array:
    finite = ~jnp.isnan(log_norm) & (log_norm < jnp.inf)
    both = finite[:, None] & finite[None, :]
    zero = jnp.isneginf(log_norm)[:, None] | jnp.isneginf(log_norm)[None, :]
    return jnp.where(~both, NOT_FINITE, jnp.where(zero, ZERO, DEFINED)).astype(jnp.int8)


def _sign_agreement(a: Blocks, b: Blocks) -> Array:
    """Return the share of weights of equal sign among those where neither is 0; NaN if none."""
    counted, agreed = jnp.zeros(()), jnp.zeros(())
    for i in a:
        signs = jnp.sign(a[i].value) * jnp.sign(b[i].value)
        counted += jnp.sum(signs != 0)
        agreed += jnp.sum(signs > 0)
    return agreed / counted


def _stacked(parts: Sequence[Blocks]) -> Blocks:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def _mean_over_draws(every: Blocks) -> Blocks:
    n_draws = next(iter(every.values())).exponent.shape[1]
    swapped = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), every)
    return scaled.divide(scaled.sum_over_leading(swapped), n_draws)
