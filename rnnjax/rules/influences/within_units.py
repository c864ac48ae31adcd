"""Influence within units: a few numbers a weight instead of n_h.

  M_t = K_t M_{t-1} + D_t                                                      (1)

K_t is the part of T_t that leads from a unit's own state to the same unit's. An LSTM's unit has
m = 2 entries (h and c), every other unit has one, so K_t is (m, m, n) for n units. Where every
weight acts on one unit alone (see `rnnjax.rules.immediate`), M_t needs m numbers a weight;
otherwise (minimal gated unit, Jordan network) it is kept in full, (n_h, *leaf).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnjax import dynamics, fields, scaled, tangents
from rnnjax.rules import immediate, influence, structure
from rnnjax.rules.factors import Influence, matrix
from rnnjax.rules.influence import Blocks
from rnnjax.rules.influences.full import InFull, moved
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.rules.transports.unit_blocks import UnitBlocks
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class AtWeights(NamedTuple):
    """What equation (1) and the loss need of a step, laid out at the weights: blocks.

    Attributes:
      K: (m, m, *leaf).
      D: (m, *leaf).
      s: the learning signal, (m, *leaf).
    """

    K: Blocks
    D: Blocks
    s: Blocks


@fields.dataclass
class WithinUnits(Influence):
    """Equation (1): what travels through other units is lost."""

    def begin(self, problem: Problem, x: Array, learned: Any) -> Blocks:
        """Return M_0 = 0."""
        return nothing(problem, x)

    def direct(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return D_t."""
        return immediate.direct(problem, observed.trajectory, observed.batch.x)

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Scaled:
        """Return K_t, value (m, m, n)."""
        return own_part(problem, tangent)

    def arranged(
        self, problem: Problem, x: Array, D: Any, T: Scaled, s: Scaled
    ) -> AtWeights | InFull:
        """Return K_t, D_t and s_t at the weights."""
        return at_weights(problem, x, D, T, s)

    def step(
        self, problem: Problem, memory: Blocks, prepared: AtWeights | InFull
    ) -> tuple[Blocks, Blocks]:
        """Return M_t and s_t M_t."""
        if isinstance(prepared, InFull):
            M = moved(problem, memory, prepared)
            return M, influence.times(prepared.s, M)
        M = carried(memory, prepared)
        return M, met(M, prepared)

    def is_filter(self, problem: Problem, x: Array) -> bool:
        """Whether a filter on the signals has the same sum: always."""
        return True


def nothing(problem: Problem, x: Array) -> Blocks:
    """Return blocks of zeros, (m, *leaf), or (n_h, *leaf) where weights act on several units."""
    cell = problem.cell
    compact = structure.units(cell, problem.params, x) is not None
    leading = (dynamics.entries_per_unit(cell),) if compact else cell.initial_state().shape
    return influence.nothing(problem, x, leading)


def own_part(problem: Problem, tangent: Any) -> Scaled:
    """Return K_t, value (m, m, n), [a, b, u] = dh_t[a, u] / dh_{t-1}[b, u]."""
    own = tangents.within_units(tangent, dynamics.entries_per_unit(problem.cell))
    return scaled.normalise(own.value, own.exponent)


def at_weights(
    problem: Problem, x: Array, D: immediate.Compact | Blocks, K: Scaled, s: Scaled
) -> AtWeights | InFull:
    """Return D_t, K_t, value (m, m, n), and the signal s_t, (n_h,), for the weights to meet."""
    if not isinstance(D, immediate.Compact):
        return InFull(matrix(UnitBlocks(K)), D, s, x)

    def spread(number: Scaled, leading: tuple[int, ...]) -> Blocks:
        by_unit = number.value.reshape(*leading, -1)
        found = immediate.spread(problem, x, by_unit)
        return {i: Scaled(value, number.exponent) for i, value in found.items()}

    m = dynamics.entries_per_unit(problem.cell)
    return AtWeights(spread(K, (m, m)), D.rows, spread(s, (m,)))


def carried(M: Blocks, at: AtWeights) -> Blocks:
    """Return M_t of equation (1)."""

    def one(K: Scaled, M: Scaled, D: Scaled) -> Scaled:
        value = jnp.sum(K.value * M.value[None], axis=1)
        return scaled.add_raw(Scaled(value, K.exponent + M.exponent), D)

    return {i: one(at.K[i], M[i], at.D[i]) for i in M}


def met(M: Blocks, at: AtWeights) -> Blocks:
    """Return s M: every weight meets the signal of its own unit."""

    def one(s: Scaled, M: Scaled) -> Scaled:
        return Scaled(jnp.sum(s.value * M.value, axis=0), s.exponent + M.exponent)

    return {i: one(at.s[i], M[i]) for i in M}
