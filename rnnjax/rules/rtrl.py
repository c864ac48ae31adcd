"""Real-time recurrent learning: the exact gradient, forward in time.

  M_t = D_t + J_t M_{t-1},   M_0 = 0                        (1)
  dl_t/dw = g_t M_t                                         (2)

M_t = dh_t/dw is the whole influence, n_h numbers a weight; a step costs n_h^2 operations a weight,
n_h^4 in all. Williams and Zipser, A learning algorithm for continually running fully recurrent
neural networks, Neural Computation, 1989.
"""

from typing import Any

from flax import struct

from rnnjax import dynamics, scaled
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.types import Array, Cell, Params, StepLoss


@struct.dataclass
class RTRL:
    """Equations (1) and (2), for any cell."""

    step_axis = "loss"
    exact = True
    stochastic = False
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    noise = online.no_noise
    __call__ = online.over_sequence

    def begin(self, cell: Cell, params: Params, x: Array, learned: Any) -> Blocks:
        """Return M_0."""
        return influence.nothing(cell, params, x, cell.initial_state().shape)

    def step(
        self, cell: Cell, loss: StepLoss, params: Params, memory: Blocks, moment: online.Moment
    ) -> tuple[Blocks, Blocks]:
        """Return M_t and g_t M_t."""
        memory = next_influence(cell, params, memory, moment)
        return memory, influence.times(moment.g, memory)


def next_influence(
    cell: Cell, params: Params, M: Blocks, moment: online.Moment, decay: Array | float = 1.0
) -> Blocks:
    """Return D_t + decay J_t M_{t-1}, equation (1)."""
    at = moment.trajectory
    local, exponent = dynamics.local(cell, params, at.h_prev, at.drive)
    J = decay * dynamics.jacobian(cell, params, local, at.h_prev)
    moved = influence.transported(J, exponent, M)
    return scaled.add_trees(moved, influence.direct(cell, params, at, moment.batch.x))
