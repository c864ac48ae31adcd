"""The eligibility trace: the sensitivity of the state, carried forward with a decay.

  P_t = D_t + decay J_t P_{t-1},   P_0 = 0                  (1)   D_t: dh_t/dw with h_{t-1} fixed
  dL/dw = sum_t g_t P_t  (+ what passes through the readout)  (2)

With decay 1 this is real-time recurrent learning and exact (see `rnnjax.rules.RTRL`); with decay 0
every step stands alone, which is BPTT with a window of 1. Between the two, a lag of k steps counts
decay^k. It needs n_h numbers a parameter and no memory of the past.
"""

from typing import Any

from rnnjax import fields, scaled
from rnnjax.ranges import is_exactly
from rnnjax.rules import influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.rules.rtrl import Transport, next_influence, transport
from rnnjax.types import Array, Cell, Params, StepLoss


@fields.dataclass
class EligibilityTrace:
    """Equations (1) and (2).

    Attributes:
      decay: factor of the trace in a step, 0 to 1; may be traced.
    """

    decay: Array | float = fields.number(default=1.0, at_least=0, at_most=1)
    step_axis = "loss"
    stochastic = False
    init = online.init
    untaught = online.untaught
    learned = online.nothing_learned
    noise = online.no_noise
    __call__ = online.over_sequence

    @property
    def exact(self) -> bool:
        """Whether the trace does not decay."""
        return is_exactly(self.decay, 1)

    def begin(self, cell: Cell, params: Params, x: Array, learned: Any) -> Blocks:
        """Return P_0."""
        return influence.nothing(cell, params, x, cell.initial_state().shape)

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> Transport:
        """Return decay J_t, D_t and g_t."""
        at = transport(cell, params, moment)
        return at._replace(J=scaled.normalise(self.decay * at.J.value, at.J.exponent))

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: Blocks,
        prepared: Transport,
    ) -> tuple[Blocks, Blocks]:
        """Return P_t and g_t P_t."""
        memory = next_influence(cell, params, memory, prepared)
        return memory, influence.times(prepared.g, memory)
