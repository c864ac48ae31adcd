"""What a learning rule works on: a network and the loss of its steps."""

from typing import Any, NamedTuple

from rnnjax import scan
from rnnjax.tangents import Residuals, Tangent
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Params, StepLoss


class Problem(NamedTuple):
    """A network and the loss of its steps, after the checks of `rnnjax.boundary`.

    Attributes:
      cell: the cell; a complex one in its real view.
      loss: the loss of one step.
      params: parameters.
    """

    cell: Any
    loss: StepLoss
    params: Params

    def linearize(self, at: Trajectory) -> Tangent:
        """Return J_t of one step, leaves without T."""
        return scan.linearize(self.cell, self.params, at)

    def residuals(self, at: Trajectory) -> Residuals:
        """Return what has to be stored of J_t, see `rnnjax.tangents.Residuals`."""
        return scan.residuals_of_step(self.cell, self.params, at)

    def bound(self, residuals: Residuals) -> Tangent:
        """Return J_t again from its residuals."""
        return residuals.bound(self.cell, self.params)


def no_loss(y_hat: Array, y: Array) -> Array:
    """Stand for the loss where nothing may depend on it."""
    raise TypeError("what a rule keeps before the first sequence does not depend on a loss")
