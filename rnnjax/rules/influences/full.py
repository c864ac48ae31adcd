"""The whole influence: n_h numbers a weight."""

from typing import Any, NamedTuple

from rnnjax import fields, scaled
from rnnjax.rules import immediate, influence
from rnnjax.rules.factors import Influence, matrix
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.types import Array


class InFull(NamedTuple):
    """T_t as a matrix, D_t (see `rnnjax.rules.immediate`), s_t and the input of a step."""

    T: Scaled
    D: Any
    s: Scaled
    x: Array


@fields.dataclass
class Full(Influence):
    """All of M_t; a step costs n_h^2 operations a weight."""

    exact = True

    def begin(self, problem: Problem, x: Array, learned: Any) -> Blocks:
        """Return M_0."""
        return influence.nothing(problem, x, problem.cell.initial_state().shape)

    def direct(self, problem: Problem, observed: ObservedStep) -> Any:
        """Return D_t."""
        return immediate.direct(problem, observed.trajectory, observed.batch.x)

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> Scaled:
        """Return T_t, value (n_h, n_h)."""
        return matrix(tangent)

    def arranged(self, problem: Problem, x: Array, D: Any, T: Scaled, s: Scaled) -> InFull:
        """Return D_t, T_t and s_t side by side."""
        return InFull(T, D, s, x)

    def step(self, problem: Problem, memory: Blocks, prepared: InFull) -> tuple[Blocks, Blocks]:
        """Return M_t and s_t M_t."""
        M = moved(problem, memory, prepared)
        return M, influence.times(prepared.s, M)


def moved(problem: Problem, M: Blocks, at: InFull) -> Blocks:
    """Return T_t M_{t-1} + D_t."""
    onward, D = influence.transported(at.T, M), immediate.in_full(problem, at.x, at.D)
    return {i: scaled.add_raw(onward[i], D[i]) for i in M}
