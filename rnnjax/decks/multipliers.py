"""The literal eligibility ratios of a training that does not use them.

Along plain gradient descent the ratios d_n / d_{n-1} that `rnnjax.decks.EligibilityRatio` would
multiply with are taken of each weight and of each unit's delta from step to step of a sequence,
and of each weight from training cycle to training cycle. Readings: docs/explanations/decks.md.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import scaled
from rnnjax.decks import readings
from rnnjax.decks.rules.eligibility_ratio import EligibilityRatio
from rnnjax.decks.updates.on_quadratic import descend, first_step, over_step_sizes
from rnnjax.ranges import COUNT, Number, arguments
from rnnjax.rules.bptt import BPTT
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_LIMIT = 1.75


@arguments(learning_rate=Number(), n_cycles=COUNT)
def literal_multipliers(
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    *,
    learning_rate: Array | float,
    n_cycles: int,
) -> dict[str, Array]:
    """Measure the multipliers over cycles of descent on the mean loss of always the same sequences.

    The gradient is that of each step by itself, `BPTT(window=1)`.

    Args:
      cell: a cell with `layers`, which name the bias of each layer.
      loss: of a step.
      params: the start.
      batch: sequences, leaves (B, T, ...).
      learning_rate: of the descent.
      n_cycles: training cycles, of which the last one is followed by no ratio.

    Returns:
      ``each_weight``, (n_cycles, T - 2, n_weights), of the average over sequences; ``each_unit``,
      (n_cycles, B, T - 2, n_units); ``cycles``, (n_cycles - 2, n_weights).
    """
    rule = BPTT(window=1)

    def of_sequence(params: Params, sequence: Batch) -> Any:
        return scaled.plain(rule(cell, loss, params, sequence, (), per_step=True).grads)

    def cycle(params: Params, _: None) -> tuple[Params, tuple[Array, Array]]:
        each = jax.vmap(lambda sequence: of_sequence(params, sequence))(batch)
        steps = jax.tree.map(lambda g: jnp.mean(g, axis=0), each)
        params = jax.tree.map(lambda p, g: p - learning_rate * jnp.sum(g, axis=0), params, steps)
        flat = jnp.concatenate([g.reshape(len(g), -1) for g in jax.tree.leaves(steps)], axis=1)
        deltas = [getattr(each, bias) for bias, _ in cell.layers]  # type: ignore[attr-defined]
        return params, (flat, jnp.concatenate(deltas, axis=-1))

    _, (weights, units) = jax.lax.scan(cycle, params, None, length=n_cycles)
    cycles = jnp.sum(weights, axis=1)
    return {
        "each_weight": weights[:, 1:-1] / weights[:, :-2],
        "each_unit": units[:, :, 1:-1] / units[:, :, :-2],
        "cycles": cycles[1:-1] / cycles[:-2],
    }


def multipliers_over_time(rule: EligibilityRatio, d: Array) -> Array:
    """Return u_t / d_t: by how much a ratio over time multiplies each step of a sequence.

    Args:
      rule: the ratio.
      d: steps, none of them 0, (T,).
    """
    u = rule.scale_steps(scaled.normalise(d, jnp.zeros(len(d), jnp.int32)))
    return scaled.plain(u) / d


def recursive_powers(step: Any) -> Any:
    """Return p where the recursive reading multiplies step t of growth^t by growth^p.

    In logarithms it is L_t = l + L_{t-1} - L_{t-2}, whose roots are exp(+-i pi / 3), so p has the
    period 6: 0, 0, 1, 2, 2, 1.

    Args:
      step: t, from 1, any array.
    """
    t = step % 6
    return ((t == 3) | (t == 0)) + 2 * ((t == 4) | (t == 5))


def multiplier_statistics(multipliers: dict[str, Array]) -> dict[str, Array]:
    """Summarise multipliers of several readings, such as those of `literal_multipliers`.

    Args:
      multipliers: arrays of any shape, by reading.

    Returns:
      ``multiplier_median``, ``multiplier_negative`` (share below 0), ``multiplier_above`` (share
      of magnitudes above 1.75, the limit of Fahlman 1988) and ``multiplier_largest`` (magnitude),
      (n_readings,) each.
    """
    statistics = {
        "multiplier_median": jnp.median,
        "multiplier_negative": lambda m: jnp.mean(m < 0),
        "multiplier_above": lambda m: jnp.mean(jnp.abs(m) > _LIMIT),
        "multiplier_largest": lambda m: jnp.max(jnp.abs(m)),
    }
    return {
        name: jnp.stack([statistic(m.ravel()) for m in multipliers.values()])
        for name, statistic in statistics.items()
    }


def ratio_in_closed_form(
    descents: Sequence[str],
    step_sizes: np.ndarray,
    methods: Sequence[str],
    growths: np.ndarray,
    n_steps: int,
) -> dict[str, Array]:
    """Measure the ratio across cycles on a quadratic, and that over time of growth^t.

    Args:
      descents: names of `readings.ON_A_QUADRATIC`.
      step_sizes: rate x curvature, (n_a,).
      methods: further such names.
      growths: factors of geometric sequences, (n_growths,).
      n_steps: their steps.

    Returns:
      ``quadratic_rate`` and ``overflow_step``, `over_step_sizes` of 600 steps, (n_descents, n_a);
      ``steps_to_goal``, the first step with |x| <= 1e-6 at a = 0.05, (n_methods,), inf if it is not
      among 400; ``recursive_multiplier``, by the recursive reading, (n_growths, n_steps).
    """
    chosen = [readings.descent(name) for name in descents]
    rates, lost = over_step_sizes(chosen, jnp.asarray(step_sizes), 600)
    paths = [descend(readings.descent(name), 0.05, 400) for name in methods]
    d = jnp.asarray(growths)[:, None] ** jnp.arange(1.0, n_steps + 1)[None]
    rule = EligibilityRatio(recursive=True)
    return {
        "quadratic_rate": rates,
        "overflow_step": lost,
        "steps_to_goal": jnp.stack([first_step(jnp.abs(x) <= 1e-6) for x in paths]),
        "recursive_multiplier": jax.vmap(lambda d: multipliers_over_time(rule, d))(d),
    }
