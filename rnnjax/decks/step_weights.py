"""How heavily each step of a sequence weighs in the update of the weights.

  s_t = ||dw_t|| / sum_t' ||dw_t'||                                                (1)

"t = 1 has the highest weighting (why)??" asks a slide of C. Yuan, 2022. These are the measurements
with which candidate causes are compared: unlike errors, a loop, updates within the sequence.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from rnnjax import rules, scaled, scan
from rnnjax.cells import Chain, Jordan
from rnnjax.cells.chain import ChainParams
from rnnjax.cells.jordan import JordanParams
from rnnjax.decks.ratios import Multiplier
from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
from rnnjax.types import Array, Batch, Params, Rule, StepLoss

_N_SETTLE = 60  # steps until the output of a small network stays as it is


def alike(
    cell: Jordan, params: Params, batch: Batch, x: Array | float, y: Array | float
) -> tuple[Batch, Array]:
    """Construct sequences whose steps are all alike: one input, one target, one output.

    Args:
      cell: a Jordan network.
      params: parameters.
      batch: sequences, leaves (B, T, ...), whose other inputs are constant.
      x: the last input at every step.
      y: the target of every output at every step.

    Returns:
      the sequences, and for each of them the output that it keeps if it begins with it, (B, n_y).
    """
    inputs = batch.x.at[..., -1].set(x)
    settle = jax.vmap(lambda o, x: cell.step(params, o, x))
    start = jnp.broadcast_to(cell.initial_state(), batch.y[:, 0].shape)
    fixed = jax.lax.fori_loop(0, _N_SETTLE, lambda _, o: settle(o, inputs[:, 0]), start)
    return Batch(inputs, jnp.full_like(batch.y, y), batch.mask), fixed


def with_loop(params: JordanParams, factor: float) -> JordanParams:
    """Return a network whose loop through the fed-back output is positive on every path.

    Args:
      params: of a Jordan network that feeds its last output back through the last input weights.
      factor: of these weights, whose signs become those of the weights of that output.
    """
    loop = factor * jnp.abs(params.W[:, -1]) * jnp.sign(params.V[-1])
    return params._replace(W=params.W.at[:, -1].set(loop))


def shares(grads: Any) -> Array:
    """Return equation (1) for gradients step by step.

    Args:
      grads: dw_t, a tree of Scaled with leaves (..., T, ...) as `per_step=True` returns them.

    Returns:
      (..., T), index t - 1.
    """
    return jax.nn.softmax(scaled.log_norm(grads))


def ratio_shares(grads: Any, multipliers: Sequence[Multiplier]) -> Array:
    """Measure equation (1) under eligibility ratios, (multiplier, T); see `decks.ratios`."""
    under = [EligibilityRatio(multiplier=m).scale_steps(grads) for m in multipliers]
    return jnp.stack([shares(steps) for steps in under])


def by_step(
    cell: Jordan, loss: StepLoss, rule: Rule, params: Params, batch: Batch, start: Array
) -> dict[str, Any]:
    """Measure every step of networks whose first outputs are given, as means over sequences.

    Args:
      cell: a Jordan network that feeds back one output.
      loss: the loss of one step.
      rule: gives dw_t; one that keeps no state.
      params: parameters of N networks, leaves (N, ...).
      batch: the sequences of each, leaves (N, B, T, ...).
      start: o_0 of each sequence, (N, B, n_y).

    Returns:
      ``grads``: dw_t, leaves (N, T, ...), Scaled; ``error``: |o_t - y_t|, also a mean over outputs,
      (N, T); ``loss``: of a sequence, (N,); ``loop_gain``: do_t/do_{t-1} of the fed-back output,
      also a mean over steps, (N,).
    """
    (unit,) = cell.fed_back

    def of_sequence(params: Params, sequence: Batch, start: Array) -> tuple:
        begun = cell.replace(start=start)  # type: ignore[attr-defined]
        out = rule(begun, loss, params, sequence, (), per_step=True)
        run = scan.unroll(begun, params, sequence.x)
        gain = jax.grad(lambda o, x: cell.step(params, o, x)[unit])
        gains = jax.vmap(gain)(run.h_prev, sequence.x)[:, unit]
        return out.loss, out.grads, scaled.plain(run.states) - sequence.y, gains

    def of_network(params: Params, batch: Batch, start: Array) -> dict[str, Any]:
        found = jax.vmap(partial(of_sequence, params))(batch, start)
        losses, grads, errors, gains = found
        return {
            "grads": scaled.divide(scaled.sum_over_leading(grads), len(losses)),
            "error": jnp.mean(jnp.abs(errors), axis=(0, 2)),
            "loss": jnp.mean(losses),
            "loop_gain": jnp.mean(gains),
        }

    return jax.vmap(of_network)(params, batch, start)


def compared(
    cell: Jordan,
    loss: StepLoss,
    networks: Sequence[tuple[Params, Batch, Array]],
    trained: Params,
    multipliers: Sequence[Multiplier],
) -> dict[str, Array]:
    """Measure equation (1) in several networks as they are, and in the first one while it trains.

    Args:
      cell: a Jordan network that feeds back one output.
      loss: the loss of one step.
      networks: of each, parameters, sequences (B, T, ...) and first outputs (B, n_y).
      trained: parameters of the first one at C times of its training, leaves (C, ...).
      multipliers: of eligibility ratios, for the first network.

    Returns:
      ``share``: with gradients of one step and through time, (N, 2, T); ``share_ratio``: of one
      step under each ratio, (multiplier, T); ``share_training``: of one step, (C, T); ``error`` and
      ``loss`` in training, (C, T) and (C,); ``loop_gain``, (N,). See `by_step`.
    """
    n, n_times = len(networks), len(jax.tree.leaves(trained)[0])
    nets = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    always = jax.tree.map(lambda a: jnp.broadcast_to(a, (n_times, *a.shape)), networks[0][1:])
    # One program serves the networks and the times.
    every = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), nets, (trained, *always))
    found = by_step(cell, loss, rules.BPTT(window=1), *every)
    exact = by_step(cell, loss, rules.BPTT(), *nets)
    of_step, first = shares(found["grads"]), jax.tree.map(lambda a: a[0], found["grads"])
    return {
        "share": jnp.stack([of_step[:n], shares(exact["grads"])], axis=1),
        "share_ratio": ratio_shares(first, multipliers),
        "share_training": of_step[n:],
        **{name: found[name][n:] for name in ("error", "loss")},
        "loop_gain": found["loop_gain"][:n],
    }


def online_shares(
    cell: Jordan, loss: StepLoss, params: Params, batch: Batch, start: Array, rates: Array
) -> Array:
    """Measure equation (1) where the weights change after every step.

    Args:
      cell: a Jordan network.
      loss: the loss of one step.
      params: parameters before the first step.
      batch: sequences, leaves (B, T, ...); an update has the mean over all of them.
      start: o_0 of each sequence, (B, n_y).
      rates: learning rates, (R,).

    Returns:
      (R, T), index t - 1.
    """
    by_time = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (batch.x, batch.y))

    def of_rate(rate: Array) -> Array:
        def step(carry: tuple[Params, Array], at: tuple[Array, Array]) -> tuple[Any, Array]:
            params, o = carry

            def mean_loss(p: Params) -> tuple[Array, Array]:
                o_new = jax.vmap(lambda o, x: cell.step(p, o, x))(o, at[0])
                return jnp.mean(jax.vmap(loss)(o_new, at[1])), o_new

            dw, o_new = jax.grad(mean_loss, has_aux=True)(params)
            updated = jax.tree.map(lambda w, dw: w - rate * dw, params, dw)
            return (updated, o_new), optax.tree.norm(dw)

        _, norms = jax.lax.scan(step, (params, start), by_time)
        return norms / jnp.sum(norms)

    return jax.vmap(of_rate)(rates)


def chain_shares(w_n: Array | float, mask: Array) -> Array:
    """Measure equation (1) for the input weight of one linear neuron with inputs of 1.

    Args:
      w_n: recurrent weight.
      mask: which steps have an error, all of them the same, (T,).

    Returns:
      (T,), index t - 1.
    """
    params = ChainParams(jnp.asarray(w_n, float), jnp.ones(1), jnp.ones(()))
    x = jnp.ones((len(mask), 1))
    batch = Batch(x, jnp.zeros_like(x), mask.astype(x.dtype))
    # The loss is the output itself, so that its error is 1 whatever the state.
    out = rules.BPTT()(Chain(1), lambda y_hat, y: y_hat[0], params, batch, (), per_step=True)
    return shares(out.grads.w_x)
