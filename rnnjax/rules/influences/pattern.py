"""The influence that a weight can reach within n steps.

  M_t = S_n o (T_t M_{t-1} + D_t),   M_0 = 0                (1)   S_n in {0, 1}, (n_h, weights)

S_1 is the pattern of D_t itself: the state entries on which a weight acts at once. S_n adds what
those act on within n - 1 further steps, along recurrent weights that are not 0. Training moves
weights of 0 as well, so S_n is found anew at the start of each sequence; only zeros that the step
makes, such as those of a mask by which it multiplies its weights, stay.

Where every weight acts on one unit, S_1 keeps as many numbers as there are weights (times the
unit's entries), and equation (1) is that of `rnnjax.rules.influences.within_units`.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp

from rnnjax import dynamics, fields, real_view
from rnnjax.rules import immediate, influence, structure
from rnnjax.rules.factors import Influence, matrix
from rnnjax.rules.influence import Blocks
from rnnjax.rules.influences import within_units
from rnnjax.rules.influences.full import InFull, moved
from rnnjax.rules.influences.within_units import AtWeights
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch

Patterns = dict[int, Array]


@fields.dataclass
class Pattern(Influence):
    """Equation (1).

    Attributes:
      n: steps within which the influence is kept, static.
    """

    n: int = fields.count(default=1)

    def init_learned(self, problem: Problem, batch: Batch) -> Patterns:
        """Return S_n, blocks (n_h, *leaf), or within units (m, *leaf)."""
        return self._at(problem, batch.x[0])

    def _at(self, problem: Problem, x: Array) -> Patterns:
        """Return S_n at these weights; of x, (n_x,), only the shape matters."""
        cell = problem.cell
        # A complex entry of the state is one entry, whose parts are kept or dropped together.
        together = partial(real_view.parts_together, cell)
        at_once = structure.reach(cell, problem.params, x)
        reach = {i: together(p) for i, p in at_once.items()}
        if self._is_within_units(problem, x):
            m = dynamics.entries_per_unit(cell)
            entries = {i: p.reshape(m, -1, *p.shape[1:]).any(axis=1) for i, p in reach.items()}
            return influence.grouped(cell, entries, 1)
        S = influence.grouped(cell, {i: jnp.asarray(p) for i, p in reach.items()}, 1)
        connected = structure.connected(cell, problem.params, x).astype(float)
        for _ in range(self.n - 1):
            further = {i: jnp.tensordot(connected, s.astype(float), 1) > 0 for i, s in S.items()}
            S = {i: together(s | further[i]) for i, s in S.items()}
        return S

    def begin(self, problem: Problem, x: Array, learned: Patterns) -> tuple[Blocks, Patterns]:
        """Return M_0 and S_n: with n = 1 that learned, which does not depend on the weights."""
        learned = learned if self.n == 1 else self._at(problem, x)
        if self._is_within_units(problem, x):
            return within_units.nothing(problem, x), learned
        return influence.nothing(problem, x, problem.cell.initial_state().shape), learned

    def learned(self, memory: tuple[Blocks, Patterns]) -> Patterns:
        """Return S_n."""
        return memory[1]

    def direct(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return D_t."""
        return immediate.direct(problem, observed.trajectory, observed.batch.x)

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Scaled:
        """Return T_t, value (n_h, n_h), or what of it lies within units, (m, m, n)."""
        if self._is_within_units(problem, x):
            return within_units.own_part(problem, tangent)
        return matrix(tangent)

    def arranged(self, problem: Problem, x: Array, D: Any, T: Scaled, s: Scaled) -> Any:
        """Return T_t, D_t and s_t, at the weights or side by side."""
        if T.value.ndim == 3:
            return within_units.at_weights(problem, x, D, T, s)
        return InFull(T, D, s, x)

    def step(
        self,
        problem: Problem,
        memory: tuple[Blocks, Patterns],
        prepared: AtWeights | InFull,
    ) -> tuple[tuple[Blocks, Patterns], Blocks]:
        """Return M_t and s_t M_t."""
        M, S = memory
        if isinstance(prepared, InFull):
            M = _masked(moved(problem, M, prepared), S)
            return (M, S), influence.times(prepared.s, M)
        M = _masked(within_units.carried(M, prepared), S)
        return (M, S), within_units.met(M, prepared)

    def is_filter(self, problem: Problem, x: Array) -> bool:
        """Whether a filter on the signals has the same sum: with one entry a unit S_1 is a unit."""
        single = dynamics.entries_per_unit(problem.cell) == 1
        return single and self._is_within_units(problem, x)

    def _is_within_units(self, problem: Problem, x: Array) -> bool:
        return self.n == 1 and structure.units(problem.cell, problem.params, x) is not None


def _masked(M: Blocks, S: Patterns) -> Blocks:
    return {i: Scaled(jnp.where(S[i], M[i].value, 0), M[i].exponent) for i in M}
