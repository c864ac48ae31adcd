"""SnAp-n: RTRL on the part of the influence that a weight can reach within n steps.

  M_t = S_n o (D_t + J_t M_{t-1}),   M_0 = 0                (1)   S_n in {0, 1}, (n_h, weights)

S_1 is the pattern of D_t itself: the state entries on which a weight acts at once. S_n adds what
those act on within n - 1 further steps, along recurrent weights that are not 0 (a sparse network
keeps its zeros). For dense W already SnAp-2 is RTRL. Menick, Elsen, Evci, Osindero, Simonyan and
Graves, Practical real time recurrent learning with a sparse approximation to the Jacobian, ICLR
2021.

SnAp-1 has a fast path where every weight acts on one unit: a trace of as many numbers as there are
weights (times the unit's entries); see `rnnjax.rules.unit_trace`.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp

from rnnjax import boundary, dynamics, fields, real_view
from rnnjax.rules import influence, online, structure, unit_trace
from rnnjax.rules.influence import Blocks
from rnnjax.rules.rtrl import Transport, next_influence, transport
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


@fields.dataclass
class SnAp:
    """Equation (1), for any cell.

    Attributes:
      n: steps within which the influence is kept, static.
    """

    n: int = fields.count(default=1)
    step_axis = "loss"
    exact = False
    stochastic = False
    init = online.init
    noise = online.no_noise

    @boundary.of_rule(real=True)
    def __call__(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        batch: Batch,
        state: Any = (),
        *,
        per_step: bool = False,
    ) -> RuleOut:
        """Return loss and gradient of one sequence; see `rnnjax.types.Rule`."""
        # One entry a unit: the pattern is the unit, and the trace may be taken as a filter.
        single = dynamics.entries_per_unit(cell) == 1 and self._is_fast(cell, params, batch.x[0])
        run = unit_trace.filtered if single else online.over_sequence
        return run(self, cell, loss, params, batch, state, per_step=per_step)

    def untaught(self, cell: Cell, params: Params, batch: Batch) -> dict[int, Array]:
        """Return S_n, blocks (n_h, *leaf), or in the fast path (m, *leaf)."""
        x = batch.x[0]
        # A complex entry of the state is one entry, whose parts are kept or dropped together.
        together = partial(real_view.parts_together, cell)
        reach = {i: together(p) for i, p in structure.reach(cell, params, x).items()}
        if self._is_fast(cell, params, x):
            m = dynamics.entries_per_unit(cell)
            entries = {i: p.reshape(m, -1, *p.shape[1:]).any(axis=1) for i, p in reach.items()}
            return influence.grouped(cell, entries, 1)
        S = influence.grouped(cell, {i: jnp.asarray(p) for i, p in reach.items()}, 1)
        connected = structure.connected(cell, params, x).astype(float)
        for _ in range(self.n - 1):
            further = {i: jnp.tensordot(connected, s.astype(float), 1) > 0 for i, s in S.items()}
            S = {i: together(s | further[i]) for i, s in S.items()}
        return S

    def begin(
        self, cell: Cell, params: Params, x: Array, learned: dict[int, Array]
    ) -> tuple[Blocks, dict[int, Array]]:
        """Return M_0 and S_n."""
        if self._is_fast(cell, params, x):
            return unit_trace.begin(cell, params, x), learned
        return influence.nothing(cell, params, x, cell.initial_state().shape), learned

    def learned(self, memory: tuple[Blocks, dict[int, Array]]) -> dict[int, Array]:
        """Return S_n."""
        return memory[1]

    def prepare(
        self, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
    ) -> unit_trace.Kept | Transport:
        """Return what a step needs, in the fast path or in full."""
        if self._is_fast(cell, params, moment.batch.x):
            return unit_trace.prepare(self, cell, loss, params, moment)
        return transport(cell, params, moment)

    def step(
        self,
        cell: Cell,
        loss: StepLoss,
        params: Params,
        memory: Any,
        prepared: unit_trace.Kept | Transport,
    ) -> tuple[Any, Blocks]:
        """Return M_t and g_t M_t."""
        M, S = memory
        if isinstance(prepared, Transport):
            M = _masked(next_influence(cell, params, M, prepared), S)
            return (M, S), influence.times(prepared.g, M)
        M = _masked(unit_trace.carried(M, prepared), S)
        return (M, S), unit_trace.met(M, prepared)

    def kept(self, cell: Cell, params: Params, at: Trajectory) -> Scaled:
        """Return what the fast path keeps of J_t, value (m, m, n)."""
        return unit_trace.of_jacobian(cell, params, at)

    def _is_fast(self, cell: Cell, params: Params, x: Array) -> bool:
        return self.n == 1 and structure.units(cell, params, x) is not None


def _masked(M: Blocks, S: dict[int, Array]) -> Blocks:
    return {i: Scaled(jnp.where(S[i], M[i].value, 0), M[i].exponent) for i in M}
