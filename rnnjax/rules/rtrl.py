"""Real-time recurrent learning: the exact gradient, forward in time.

  M_t = D_t + J_t M_{t-1},   M_0 = 0                        (1)
  dl_t/dw = g_t M_t                                         (2)

M_t = dh_t/dw is the whole influence, n_h numbers a weight; a step costs n_h^2 operations a weight,
n_h^4 in all. Williams and Zipser, A learning algorithm for continually running fully recurrent
neural networks, Neural Computation, 1989.
"""

from typing import Any, NamedTuple

from rnnjax import fields, scaled
from rnnjax.rules import immediate, influence, online
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Cell, Params, StepLoss


class Transport(NamedTuple):
    """J_t, D_t (see `rnnjax.rules.immediate`), g_t and the input of a step."""

    J: Scaled
    D: Any
    g: Scaled
    x: Array


@fields.dataclass
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

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> Transport:
        """Return J_t, D_t and g_t."""
        return transport(cell, params, moment)

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: Blocks,
        prepared: Transport,
    ) -> tuple[Blocks, Blocks]:
        """Return M_t and g_t M_t."""
        memory = next_influence(cell, params, memory, prepared)
        return memory, influence.times(prepared.g, memory)


def transport(cell: Cell, params: Params, moment: online.Moment) -> Transport:
    """Return what equations (1) and (2) need of a step."""
    at, x = moment.trajectory, moment.batch.x
    J = influence.jacobian(cell, params, at)
    return Transport(J, immediate.direct(cell, params, at, x), moment.g, x)


def next_influence(cell: Cell, params: Params, M: Blocks, at: Transport) -> Blocks:
    """Return D_t + J_t M_{t-1}, equation (1)."""
    moved, D = influence.transported(at.J, M), immediate.in_full(cell, params, at.x, at.D)
    return {i: scaled.add_raw(moved[i], D[i]) for i in M}
