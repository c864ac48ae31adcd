"""No influence of earlier steps: M_t = D_t, whatever the transport."""

from typing import Any, NamedTuple

from rnnjax import fields
from rnnjax.rules import influence
from rnnjax.rules.factors import Influence
from rnnjax.rules.influence import Blocks
from rnnjax.rules.online import ObservedStep
from rnnjax.rules.problem import Problem
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array


class Step(NamedTuple):
    """A step, its input and the signal."""

    at: Trajectory
    x: Array
    s: Scaled


@fields.dataclass
class Immediate(Influence):
    """M_t = D_t; only products from the left are formed."""

    def direct(self, problem: Problem, observed: ObservedStep) -> Trajectory:
        """Return the step itself."""
        return observed.trajectory

    def stored(self, problem: Problem, transport: Any, observed: ObservedStep) -> tuple[()]:
        """Return that no T_t is needed."""
        return ()

    def of_tangent(self, problem: Problem, x: Array, tangent: Any) -> tuple[()]:
        """Return that no T_t is needed."""
        return ()

    def arranged(self, problem: Problem, x: Array, D: Trajectory, T: Any, s: Scaled) -> Step:
        """Return the step with its signal."""
        return Step(D, x, s)

    def step(self, problem: Problem, memory: Any, prepared: Step) -> tuple[tuple[()], Blocks]:
        """Return s_t D_t."""
        return (), influence.pull(problem, *prepared)
