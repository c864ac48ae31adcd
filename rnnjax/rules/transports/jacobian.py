"""Transport by the Jacobian itself: T_t = J_t."""

from typing import Any

from rnnjax import fields
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory


@fields.dataclass
class Jacobian(Transport):
    """T_t = J_t."""

    exact = True

    def tangent(self, problem: Problem, at: Trajectory) -> Any:
        """Return J_t."""
        return problem.linearize(at)

    def stored(self, problem: Problem, at: Trajectory) -> Residuals:
        """Return the residuals of J_t."""
        return problem.residuals(at)
