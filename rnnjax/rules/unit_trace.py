"""Traces that stay within a unit: a few numbers a weight instead of n_h.

  M_t = D_t + K_t M_{t-1}                                   (1)
  sum_t g_t M_t = sum_t delta_t D_t,   delta_t = g_t + K_{t+1}^T delta_{t+1}    (2)

K_t is what a rule keeps of the Jacobian J_t: only the derivative of a unit's new state by its own
old one. An LSTM's unit has m = 2 entries (h and c), every other unit has one, so K_t is (m, m, n)
for n units. Where every weight acts on one unit alone (see `rnnjax.rules.structure`), M_t needs m
numbers a weight; otherwise (minimal gated unit, Jordan network) it is kept in full, (n_h, *leaf).

Over a whole sequence with fixed weights (1) need not be carried at all: the right side of (2) is
the same sum, for the price of a filter on the learning signals and one contraction.
"""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, scaled, scan
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules import influence, online, structure
from rnnjax.rules.influence import Blocks
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


class KeepsOwn(Protocol):
    """A rule that keeps K_t of equation (1)."""

    def kept(self, cell: Any, params: Params, at: Trajectory) -> Scaled:
        """Return K_t of one step, value (m, m, n), exponent ()."""
        ...


def of_jacobian(cell: Cell, params: Params, at: Trajectory) -> Scaled:
    """Return the own part of J_t: value (m, m, n), [a, b, u] = dh_t[a, u] / dh_{t-1}[b, u]."""
    m = dynamics.entries_per_unit(cell)
    local, exponent = dynamics.local(cell, params, at.h_prev, at.drive)
    J = dynamics.jacobian(cell, params, local, at.h_prev)
    by_unit = J.reshape(m, len(J) // m, m, len(J) // m)
    return scaled.normalise(jnp.diagonal(by_unit, axis1=1, axis2=3), exponent)


def behind_the_sum(cell: Any, params: Params, at: Trajectory) -> Scaled:
    """Return the own part of J_t with the sums z_t held fixed: no weight of a unit onto itself."""
    m = dynamics.entries_per_unit(cell)
    z = params.W @ cell.sent(at.h_prev) + at.drive
    n = at.h_prev.size // m

    def by_entry(own: Array) -> Array:
        direction = jnp.repeat(own, n)
        h = jax.jvp(lambda h: cell.from_sum(h, z), (at.h_prev,), (direction,))[1]
        return h.reshape(m, n)

    return scaled.normalise(jax.vmap(by_entry, out_axes=1)(jnp.eye(m, dtype=at.h_prev.dtype)))


def begin(cell: Cell, params: Params, x: Array) -> Blocks:
    """Return M_0 = 0: blocks (m, *leaf), or (n_h, *leaf) where weights act on several units."""
    compact = structure.units(cell, params, x) is not None
    leading = (dynamics.entries_per_unit(cell),) if compact else cell.initial_state().shape
    return influence.nothing(cell, params, x, leading)


def carried(cell: Cell, params: Params, M: Blocks, at: Trajectory, x: Array, K: Scaled) -> Blocks:
    """Return M_t of equation (1)."""
    units = structure.units(cell, params, x)
    if units is None:
        moved = influence.transported(_as_matrix(K.value), K.exponent, M)
        return scaled.add_trees(moved, influence.direct(cell, params, at, x))
    moved = {i: _moved(K, M[i], units[i]) for i in M}
    return scaled.add_trees(moved, _direct(cell, params, at, x))


def met(cell: Cell, params: Params, g: Scaled, M: Blocks, x: Array) -> Blocks:
    """Return the real part of g M: every weight meets the signal of its own unit."""
    units = structure.units(cell, params, x)
    if units is None:
        return influence.times(g, M)
    signal = g.value.reshape(dynamics.entries_per_unit(cell), -1)

    def one(M: Scaled, unit: np.ndarray) -> Scaled:
        value = jnp.sum(signal[:, unit] * M.value, axis=0).real
        return scaled.normalise(value, g.exponent + M.exponent)

    return {i: one(M[i], units[i]) for i in M}


def filtered(
    self: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    batch: Batch,
    state: Any = (),
    *,
    per_step: bool = False,
) -> RuleOut:
    """Return loss and gradient of one sequence, by the right side of (2). A method, to be named.

    Per step, where the two sides differ, it carries the trace.
    """
    if per_step:
        return online.over_sequence(self, cell, loss, params, batch, state, per_step=True)
    trajectory = scan.unroll(cell, params, batch.x)
    h = scaled.plain(trajectory.states)
    losses, g = online.learning_signals(self, cell, loss, params, h, batch)
    K = jax.vmap(lambda at: self.kept(cell, params, at))(trajectory)
    deltas = _filter(K, g)
    grads = gradient_of_deltas(cell, loss, params, trajectory, batch, deltas, per_step=False)
    return RuleOut(jnp.sum(losses), grads, state)


def _filter(K: Scaled, g: Scaled) -> Scaled:
    """Return delta_t of equation (2), value (T, n_h), exponent (T,)."""
    m = K.value.shape[1]

    def step(arriving: Scaled, at: tuple[Scaled, Scaled]) -> tuple[Scaled, Scaled]:
        K, g = at
        delta = scaled.add(arriving, g)
        own = delta.value.reshape(m, 1, -1)
        sent = jnp.sum(K.value * own, axis=0).reshape(delta.value.shape)
        return scaled.normalise(sent, delta.exponent + K.exponent), delta

    nothing = Scaled(jnp.zeros_like(g.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
    return jax.lax.scan(step, nothing, (K, g), reverse=True)[1]


def _direct(cell: Cell, params: Params, at: Trajectory, x: Array) -> Blocks:
    """Return D_t in m numbers a weight: the units are apart, so one product an entry gives all."""
    m, n_h = dynamics.entries_per_unit(cell), at.h_prev.size
    entries = jnp.repeat(jnp.eye(m, dtype=at.h_prev.dtype), n_h // m, axis=1)
    rows = jax.vmap(lambda v: influence.pull(cell, params, at, x, scaled.normalise(v)))(entries)
    return jax.tree.map(
        lambda row: scaled.normalise(*scaled.common(row)), rows, is_leaf=influence.is_scaled
    )


def _moved(K: Scaled, M: Scaled, unit: np.ndarray) -> Scaled:
    """Return K M for one block (m, *leaf)."""
    value = jnp.sum(K.value[:, :, unit] * M.value[None], axis=1)
    return scaled.normalise(value, K.exponent + M.exponent)


def _as_matrix(K: Array) -> Array:
    """Return K (m, m, n) as the matrix (n_h, n_h) that it is."""
    m, _, n = K.shape
    blocks = K[:, None, :, :] * jnp.eye(n, dtype=K.dtype)[None, :, None, :]
    return blocks.reshape(m * n, m * n)
