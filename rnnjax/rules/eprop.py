"""e-prop: every unit carries the trace of its own state, and errors are taken where they fall.

  P_t = K_t P_{t-1} + D_t,   K_t: what J_t leads from a unit's state to the same unit's   (1)
  dl_t/dw ~ (F e_t) P_t,     e_t = dl_t/dy_t                                              (2)

The factorisation of the gradient into a learning signal and a trace is exact when the signal is the
total derivative; e-prop takes the partial one, so what travels through other units is lost. It is
exact where no unit hears another (diagonal recurrence). Bellec et al., A solution to the learning
dilemma for recurrent networks of spiking neurons, Nature Communications, 2020.
"""

from typing import Any

from rnnjax import dynamics, fields
from rnnjax.rules import online, unit_trace
from rnnjax.rules.base import require
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Cell, Params


@fields.dataclass
class EProp:
    """Equations (1) and (2).

    Attributes:
      autapse: whether a unit's weight onto itself counts as its own, static. Without it (as in the
        networks of the paper) the cell must have pre-activations, and on a leaky vanilla network
        e-prop is `RFLO`; with it, it is `SnAp` 1 wherever a unit has one state entry.
      feedback: F, (n_h, n_y), see `rnnjax.rules.random_feedback`; None for the readout's own.
    """

    autapse: bool = fields.flag(default=True)
    feedback: Array | None = fields.array("n_h", "n_y", default=None)
    step_axis = "loss"
    exact = False
    stochastic = False
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    noise = online.no_noise
    prepare = unit_trace.prepare
    step = unit_trace.step
    __call__ = unit_trace.filtered

    def begin(self, cell: Cell, params: Params, x: Array, learned: Any) -> Blocks:
        """Return P_0."""
        self._require_units(cell)
        return unit_trace.begin(cell, params, x)

    def kept(self, cell: Any, params: Params, at: Trajectory) -> Scaled:
        """Return K_t, value (m, m, n)."""
        self._require_units(cell)
        if self.autapse:
            return unit_trace.of_jacobian(cell, params, at)
        reason = "so only autapse=True can tell what is a unit's own"
        require(dynamics.has_preactivation(cell), cell, self, "pre-activations", reason)
        return unit_trace.beside_preactivation(cell, params, at)

    def _require_units(self, cell: Any) -> None:
        whole = getattr(cell, "user_cell", cell)
        if dynamics.traits(whole).entries_per_unit is None:
            raise ValueError(
                "EProp: expected a cell whose units have one number of state entries, got "
                f"{type(whole).__name__}, whose layers differ in it"
            )
