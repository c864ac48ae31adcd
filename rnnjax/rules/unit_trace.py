"""Traces that stay within a unit: a few numbers a weight instead of n_h.

  M_t = D_t + K_t M_{t-1}                                   (1)
  sum_t g_t M_t = sum_t delta_t D_t,   delta_t = g_t + K_{t+1}^T delta_{t+1}    (2)

K_t is what a rule keeps of the Jacobian J_t: only the derivative of a unit's new state by its own
old one. An LSTM's unit has m = 2 entries (h and c), every other unit has one, so K_t is (m, m, n)
for n units. Where every weight acts on one unit alone (see `rnnjax.rules.immediate`), M_t needs m
numbers a weight; otherwise it is kept in full, (n_h, *leaf).

Over a whole sequence with fixed weights (1) need not be carried at all: the right side of (2) is
the same sum, for the price of a filter on the learning signals and one contraction.
"""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from rnnjax import boundary, dynamics, scaled, scan, tangents
from rnnjax.gradient import gradient_of_deltas
from rnnjax.rules import immediate, influence, online, structure
from rnnjax.rules.influence import Blocks
from rnnjax.rules.rtrl import Transport, next_influence
from rnnjax.scaled import Scaled
from rnnjax.scan import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, RuleOut, StepLoss


class Kept(NamedTuple):
    """What equation (1) and the loss need of a step, laid out at the weights: blocks.

    Attributes:
      K: (m, m, *leaf).
      D: (m, *leaf).
      g: the learning signal, (m, *leaf).
    """

    K: Blocks
    D: Blocks
    g: Blocks


class KeepsOwn(Protocol):
    """A rule that keeps K_t of equation (1)."""

    def kept(self, cell: Any, params: Params, at: Trajectory) -> Scaled:
        """Return K_t of one step, value (m, m, n), exponent ()."""
        ...


def of_jacobian(cell: Cell, params: Params, at: Trajectory) -> Scaled:
    """Return the own part of J_t: value (m, m, n), [a, b, u] = dh_t[a, u] / dh_{t-1}[b, u]."""
    J = scan.linearize(cell, params, at)
    own = tangents.within_units(J, dynamics.entries_per_unit(cell))
    return scaled.normalise(own.value, own.exponent)


def beside_preactivation(cell: Any, params: Params, at: Trajectory) -> Scaled:
    """Return the own part of J_t with z_t held fixed: no weight of a unit onto itself."""
    m = dynamics.entries_per_unit(cell)
    z = scan.point(cell, params, at).preactivation
    n = at.h_prev.size // m

    def by_entry(own: Array) -> Array:
        direction = jnp.repeat(own, n)
        step = partial(cell.step_from_preactivation, z=z)
        h = jax.jvp(step, (at.h_prev,), (direction,))[1]
        return h.reshape(m, n)

    return scaled.normalise(jax.vmap(by_entry, out_axes=1)(jnp.eye(m, dtype=at.h_prev.dtype)))


def begin(cell: Cell, params: Params, x: Array) -> Blocks:
    """Return M_0 = 0: blocks (m, *leaf), or (n_h, *leaf) where weights act on several units."""
    compact = structure.units(cell, params, x) is not None
    leading = (dynamics.entries_per_unit(cell),) if compact else cell.initial_state().shape
    return influence.nothing(cell, params, x, leading)


def prepare(
    self: Any, cell: Cell, loss: StepLoss, params: Params, moment: online.Moment
) -> Kept | Transport:
    """Return what a step needs. A method, to be named."""
    at, x = moment.trajectory, moment.batch.x
    D = immediate.direct(cell, params, at, x)
    return arranged(cell, params, x, self.kept(cell, params, at), D, moment.g)


def step(
    self: Any,
    cell: Cell,
    loss: StepLoss,
    params: Params,
    memory: Blocks,
    prepared: Kept | Transport,
) -> tuple[Blocks, Blocks]:
    """Return M_t of equation (1) and its product with the signal. A method, to be named."""
    return followed(cell, params, memory, prepared)


def arranged(
    cell: Cell, params: Params, x: Array, K: Scaled, D: immediate.Compact | Blocks, g: Scaled
) -> Kept | Transport:
    """Return K_t, value (m, m, n), D_t and the signal g, (n_h,), for the weights to meet."""
    if not isinstance(D, immediate.Compact):
        return Transport(Scaled(_as_matrix(K.value), K.exponent), D, g, x)

    def spread(number: Scaled, leading: tuple[int, ...]) -> Blocks:
        by_unit = number.value.reshape(*leading, -1)
        found = immediate.spread(cell, params, x, by_unit)
        return {i: Scaled(value, number.exponent) for i, value in found.items()}

    m = dynamics.entries_per_unit(cell)
    return Kept(spread(K, (m, m)), D.rows, spread(g, (m,)))


def followed(
    cell: Cell, params: Params, memory: Blocks, prepared: Kept | Transport
) -> tuple[Blocks, Blocks]:
    """Return M_t of equation (1) and its product with the signal."""
    if isinstance(prepared, Transport):
        memory = next_influence(cell, params, memory, prepared)
        return memory, influence.times(prepared.g, memory)
    memory = carried(memory, prepared)
    return memory, met(memory, prepared)


def carried(M: Blocks, at: Kept) -> Blocks:
    """Return M_t of equation (1)."""

    def one(K: Scaled, M: Scaled, D: Scaled) -> Scaled:
        value = jnp.sum(K.value * M.value[None], axis=1)
        return scaled.add_raw(Scaled(value, K.exponent + M.exponent), D)

    return {i: one(at.K[i], M[i], at.D[i]) for i in M}


def met(M: Blocks, at: Kept) -> Blocks:
    """Return g M: every weight meets the signal of its own unit."""

    def one(g: Scaled, M: Scaled) -> Scaled:
        return Scaled(jnp.sum(g.value * M.value, axis=0), g.exponent + M.exponent)

    return {i: one(at.g[i], M[i]) for i in M}


@boundary.of_rule(real=True)
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
    trajectory = scan.of_batch(cell, params, batch)
    h = trajectory.plain
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
        delta = scaled.add_normal(arriving, g)
        own = delta.value.reshape(m, 1, -1)
        sent = jnp.sum(K.value * own, axis=0).reshape(delta.value.shape)
        return scaled.normalise(sent, delta.exponent + K.exponent), delta

    nothing = Scaled(jnp.zeros_like(g.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
    return jax.lax.scan(step, nothing, (K, g), reverse=True)[1]


def _as_matrix(K: Array) -> Array:
    """Return K (m, m, n) as the matrix (n_h, n_h) that it is."""
    m, _, n = K.shape
    blocks = K[:, None, :, :] * jnp.eye(n, dtype=K.dtype)[None, :, None, :]
    return blocks.reshape(m * n, m * n)
