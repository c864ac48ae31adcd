"""Transport within units: of J_t what leads from a unit's state to the same unit's."""

from rnnjax import dynamics, fields, tangents
from rnnjax.rules.factors import Transport
from rnnjax.rules.problem import Problem
from rnnjax.rules.transports.unit_blocks import UnitBlocks
from rnnjax.trajectory import Trajectory


@fields.dataclass
class OwnPart(Transport):
    """T_t is J_t where it does not leave the unit, and 0 elsewhere."""

    def tangent(self, problem: Problem, at: Trajectory) -> UnitBlocks:
        """Return the own part of J_t."""
        m = dynamics.entries_per_unit(problem.cell)
        return UnitBlocks(tangents.within_units(problem.linearize(at), m))
