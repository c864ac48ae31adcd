"""Training on a fixed set of data pairs: one update a cycle, with the mean over all pairs.

w <- w - eta mean_p sum_t dw_{p,t}                                                (1)
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import rules, scaled, scan
from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
from rnnjax.decks.tasks.data_pairs import DataPairs
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.parameters import Setting
from rnnjax.types import Array, Batch, Cell, Params, Rule, StepLoss


def rule_of(sheet: str) -> Rule:
    """Return the rule of a sheet: "rnn", with "+et" under a ratio, with "+dx" through time."""
    inner = rules.BPTT() if sheet.endswith("+dx") else rules.BPTT(window=1)
    return EligibilityRatio(rule=inner) if "+et" in sheet else inner


def without_input(params: Params, k: int) -> Params:
    """Return the parameters with weights of 0 for input k, which then says nothing."""
    return params._replace(W=params.W.at[:, k].set(0))


def train(
    cell: Cell,
    loss: StepLoss,
    rule: Rule,
    params: Params,
    batch: Batch,
    *,
    eta: Params,
    cycles: tuple[int, ...],
) -> Params:
    """Return the parameters after some numbers of cycles, equation (1).

    Args:
      cell: the cell.
      loss: the loss of a step.
      rule: gives the gradient.
      params: the first weights.
      batch: the data pairs, leaves (B, T, ...).
      eta: learning rate, one number or one for every weight, shaped as params; a weight with rate
        0 stays as it is.
      cycles: after how many cycles, rising from 0 or more.

    Returns:
      the parameters, each with a leading axis as long as `cycles`.

    Raises:
      ValueError: the cycles do not rise.
    """
    counts = np.diff(np.asarray(cycles), prepend=0)
    if not len(counts) or counts[0] < 0 or (counts[1:] <= 0).any():
        raise ValueError(f"cycles: expected counts that rise from 0 or more, got {cycles}")

    one_rate = len(jax.tree.leaves(eta)) == 1
    rates = jax.tree.map(lambda _: eta, params) if one_rate else eta

    def cycle(_: Any, carry: tuple) -> tuple:
        params, state = carry
        out = rules.batch_gradient(rule, cell, loss, params, batch, state)
        grads = scaled.plain(out.grads)
        step = jax.tree.map(lambda w, g, e: w - e * g, params, grads, rates)
        return step, out.state

    def some(carry: tuple, n: Array) -> tuple[tuple, Params]:
        carry = jax.lax.fori_loop(0, n, cycle, carry)
        return carry, carry[0]

    state = jax.vmap(lambda pair: rule.init(cell, params, pair))(batch)
    return jax.lax.scan(some, (params, state), jnp.asarray(counts))[1]


def first_set(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    *,
    eta: Array | float,
    n_cycles: int,
) -> Params:
    """Return weights trained as a feedforward network: i3 is the true previous output.

    Args:
      cell: the cell.
      loss: the loss of a step.
      params: the random start.
      batch: the data pairs, leaves (B, T, ...).
      eta: learning rate.
      n_cycles: training cycles.
    """
    forced = rules.TeacherForcing()
    found = train(cell, loss, forced, params, batch, eta=eta, cycles=(n_cycles,))
    return jax.tree.map(lambda w: w[0], found)


def forced_error(cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
    """Return the mean error of data pairs where i3 is the true previous output, ()."""
    return rules.batch_gradient(rules.TeacherForcing(), cell, loss, params, batch, ()).loss


def errors(
    cell: Cell, task: DataPairs, rule: Rule, params: Params, *, eta: Params, cycles: tuple[int, ...]
) -> tuple[Array, Array]:
    """Train on the pairs that are used, and measure the error of those and of the others.

    Args:
      cell: the cell.
      task: the data pairs.
      rule: gives the gradient.
      params: the first weights.
      eta: learning rate, as in `train`.
      cycles: after how many cycles to measure, rising from 0 or more.

    Returns:
      mean errors of the pairs used and of the pairs held out, (n_cycles,) each; inf where the
      weights have left all numbers, as a ratio with a vanishing denominator can throw them.
    """
    used = task.training()
    weights = train(cell, task.loss, rule, params, used, eta=eta, cycles=cycles)

    def error(params: Params, pairs: Batch) -> Array:
        of_pairs = jax.vmap(lambda pair: scan.sequence_loss(cell, task.loss, params, pair))(pairs)
        return jnp.mean(of_pairs)

    found = jax.vmap(lambda p: (error(p, used), error(p, task.held_out())))(weights)
    of_used, of_others = (jnp.where(jnp.isfinite(e), e, jnp.inf) for e in found)
    return of_used, of_others


def with_first_set(setting: Setting, table: Table, n_cycles: int) -> Setting:
    """Return the setting with weights trained on the used pairs of a table by `first_set`."""
    run = jax.jit(partial(first_set, setting.cell, DataPairs().loss, n_cycles=n_cycles))
    params = run(setting.params, table.batch(used=True), eta=setting.eta)
    return dataclasses.replace(setting, params=params)
