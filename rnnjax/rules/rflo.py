"""Random-feedback local online learning: the trace remembers by the leak alone.

  P_t = (1 - a) P_{t-1} + D_t                               (1)
  dl_t/dw ~ (F e_t) P_t,   e_t = dl_t/dy_t                  (2)

Of the Jacobian (1 - a) I + a diag(f') W only the leak is kept, so the trace needs one number a
weight; without leak (a = 1) the rule is BPTT with a window of 1, without W it is exact. F are fixed
random feedback weights, or the transposed readout where none are given. Murray, Local online
learning in recurrent networks with random feedback, eLife, 2019.
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
class RFLO:
    """Equations (1) and (2), for pre-activation cells: 1 - a is dh_t/dh_{t-1} at a fixed z_t.

    Attributes:
      feedback: F, (n_h, n_y), see `rnnjax.rules.random_feedback`; None for the readout's own.
    """

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
        self._require(cell)
        return unit_trace.begin(cell, params, x)

    def kept(self, cell: Any, params: Params, at: Trajectory) -> Scaled:
        """Return 1 - a of every unit and entry, value (m, m, n)."""
        self._require(cell)
        return unit_trace.beside_preactivation(cell, params, at)

    def _require(self, cell: Cell) -> None:
        reason = "and the leak beside them is all that the trace remembers by"
        require(dynamics.has_preactivation(cell), cell, self, "pre-activations", reason)
