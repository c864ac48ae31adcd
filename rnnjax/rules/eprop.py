"""e-prop: every unit carries the trace of its own state, and errors are taken where they fall.

  P_t = K_t P_{t-1} + D_t,   K_t: what J_t leads from a unit's state to the same unit's   (1)
  dl_t/dw ~ (F e_t) P_t,     e_t = dl_t/dy_t                                              (2)

The factorisation of the gradient into a learning signal and a trace is exact when the signal is the
total derivative; e-prop takes the partial one, so what travels through other units is lost. It is
exact where no unit hears another (diagonal recurrence). Bellec et al., A solution to the learning
dilemma for recurrent networks of spiking neurons, Nature Communications, 2020.
"""

from rnnjax import dynamics, fields
from rnnjax.rules.factors import Factors
from rnnjax.rules.influences import WithinUnits
from rnnjax.rules.problem import Problem
from rnnjax.rules.product import Product
from rnnjax.rules.signals.feedback import through
from rnnjax.rules.transports import Leak, OwnPart
from rnnjax.types import Array


@fields.dataclass
class EProp(Product):
    """The influence within units, their own part of J_t or the leak, a signal through feedback.

    Attributes:
      autapse: whether a unit's weight onto itself counts as its own, static. Without it (as in the
        networks of the paper) the cell must have pre-activations, and on a leaky vanilla network
        e-prop is `RFLO`; with it, it is `SnAp` 1 wherever a unit has one state entry.
      feedback: F, (n_h, n_y), see `rnnjax.rules.random_feedback`; None for the readout's own.
    """

    autapse: bool = fields.flag(default=True)
    feedback: Array | None = fields.array("n_h", "n_y", default=None)

    def require(self, problem: Problem, x: Array) -> None:
        """Refuse a cell whose layers differ in the state entries of a unit, then as the factors do.

        Raises:
          ValueError: the rule is not defined on this network.
        """
        whole = getattr(problem.cell, "user_cell", problem.cell)
        if dynamics.traits(whole).entries_per_unit is None:
            raise ValueError(
                "EProp: expected a cell whose units have one number of state entries, got "
                f"{type(whole).__name__}, whose layers differ in it"
            )
        super().require(problem, x)

    @property
    def point(self) -> Factors:
        """The factors."""
        transport = OwnPart() if self.autapse else Leak()
        return Factors(WithinUnits(), transport, through(self.feedback))
