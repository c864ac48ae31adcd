"""Lyapunov spectra: the growth rates of perturbations along a trajectory.

  A_t = J_t Q_{t-1},   A_t = Q_t R_t  (QR),   lambda_i = 1/T sum_t log |R_t,ii|        (1)

Several steps may lie between two decompositions, A_{t+b} = J_{t+b} ... J_{t+1} Q_t, as long as the
columns remain distinguishable: b is chosen from the growth observed so far, so that b times the
fastest spread of the directions per step, max_t (max_i - min_i) log |R_t,ii|, stays below
-ln(eps) / 3. Where a step spreads them further than any before it, so that a decomposition comes
too late, all is done again with one at every step. A direction whose |R_t,ii| is rounding at half
of the decompositions is lost: its exponent is -inf. So are the last ones where a step leaves fewer
than k, as it does where rows or columns of J are 0: R_t would hold rounding in their place.

Rows of J that belong to saturated units are multiplied by slopes as small as e^-100; the
decomposition is designed for such rows (`rnnjax.matrices.graded_qr`). In float64 LU decompositions
take the place of all QR decompositions but those at the ends of the blocks of time from which
standard errors are computed: they measure the same growth of volumes in a fraction of the time
(`rnnjax.matrices.graded_lu`, which says where they do not, and QR is used).

Benettin, Galgani, Giorgilli and Strelcyn, Lyapunov characteristic exponents for smooth dynamical
systems, Meccanica, 1980. Vogt, Puelma Touzel, Shlizerman and Lajoie, On Lyapunov exponents for
RNNs, Frontiers in Applied Mathematics and Statistics, 2022.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, dynamics, lanes, masks, real_view, scan, tangents
from rnnjax.probes.growth import (
    Growth,
    above_rounding,
    decomposed_by_lu,
    decomposed_by_qr,
    ends_of_blocks,
    left,
    not_looked_at,
    rank_at_most,
)
from rnnjax.ranges import COUNT, COUNT_OR_NONE, COUNT_OR_ZERO, Number, arguments
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory, first_non_finite_step
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

_LONGEST = 64  # maximum number of steps between two decompositions
_LEARNING = 16  # initial steps with one decomposition each, to measure how directions spread
_DISCARDED = Number(at_least=0, whole=True)  # may be traced: a share of a length known at run time


@boundary.of_probe
@arguments(n_exponents=COUNT_OR_NONE, n_discarded=_DISCARDED)
def lyapunov_spectrum(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    n_exponents: int | None = None,
    n_discarded: int | Array = 0,
) -> dict[str, Array]:
    """Measure the first Lyapunov exponents along one sequence, equation (1).

    The network is driven by the inputs of the batch; inputs of 0 give the exponents of the
    autonomous network.

    Args:
      cell: the cell.
      loss: not used: exponents do not depend on a loss.
      params: parameters.
      batch: one sequence.
      n_exponents: k; all n_h if None.
      n_discarded: initial steps that align the directions and are not counted; may be traced.

    Returns:
      ``exponents``: nats per step, descending, (k,); -inf where a direction is lost permanently (a
      silent relu unit, an entry that no later step reads), NaN where a state is not finite.
      ``exponents_error``: standard errors, from the means over up to ten blocks, (k,); they do not
      cover what directions that have yet to align bring, of order 1/T, see ``n_discarded``.
      ``leading_direction``: the covariant direction of the largest exponent after the last step,
      (n_h,). ``first_non_finite_step``: int32 (), -1 if there is none. A complex state whose step
      is not holomorphic counts as 2 n_h real entries and has as many exponents; each exponent of a
      holomorphic step stands for two real ones.

    Raises:
      ValueError: n_exponents or n_discarded is out of range.
    """
    view = real_view.for_jacobians(cell, params, batch.x[0])
    cell, params = view.seen, view.inward(params)
    n_h = cell.initial_state().size
    k = n_h if n_exponents is None else n_exponents
    if not 1 <= k <= n_h:
        raise ValueError(f"n_exponents: expected a number between 1 and n_h = {n_h}, got {k}")
    check_discarded(n_discarded, batch)
    # QR would make directions of rounding of those that a step loses by construction.
    n_kept = min(k, n_h - dynamics.traits(cell).n_unread)
    found = growth(cell, params, batch, n_kept, n_discarded)
    exponents = found.mean()
    order = jnp.argsort(-exponents)
    lost = jnp.where(found.first_non_finite_step < 0, jnp.full(k - n_kept, -jnp.inf), jnp.nan)
    return {
        "exponents": jnp.concatenate([exponents[order], lost.astype(exponents.dtype)]),
        "exponents_error": jnp.pad(
            found.standard_error()[order], (0, k - n_kept), constant_values=jnp.nan
        ),
        "leading_direction": found.Q[:, 0],
        "first_non_finite_step": found.first_non_finite_step,
    }


def check_discarded(n_discarded: Any, batch: Batch) -> None:
    """Refuse to discard all steps of a sequence, if they are known; else there is no mean of any.

    Raises:
      ValueError: n_discarded is not below their number.
    """
    if isinstance(n_discarded, jax.core.Tracer):
        return
    is_known = not isinstance(batch.counts, jax.core.Tracer)
    n_steps = int(np.sum(np.asarray(batch.counts))) if is_known else len(batch.x)
    if not 0 <= n_discarded < n_steps:
        raise ValueError(f"n_discarded: expected fewer than T = {n_steps} steps, got {n_discarded}")


@arguments(k=COUNT, n_discarded=COUNT_OR_ZERO, every=COUNT_OR_NONE)
def log_growth(
    cell: Cell,
    params: Params,
    x: Array,
    k: int,
    n_discarded: int = 0,
    *,
    every: int | None = None,
) -> tuple[Array, Array]:
    """Return log |R_t,ii| of every step of a sequence, (T, k), and the last Q, (n_h, k).

    The growth over the steps between two decompositions is stored at the second one.

    Args:
      cell: the cell.
      params: parameters.
      x: inputs, (T, n_x).
      k: the number of directions.
      n_discarded: a decomposition is always made after this step, so that later steps can be
        counted separately.
      every: steps between two decompositions; chosen from the growth if None.
    """
    ones = jnp.ones(len(x), bool)
    batch = Batch(x, x, ones.astype(float), ones)
    found = growth(cell, params, batch, k, n_discarded, every=every)
    return found.logs, found.Q


@arguments(k=COUNT, n_discarded=_DISCARDED, every=COUNT_OR_NONE)
def growth(
    cell: Cell,
    params: Params,
    batch: Batch,
    k: int,
    n_discarded: int | Array = 0,
    *,
    every: int | None = None,
) -> Growth:
    """Return the growth of k directions along a sequence that was cut to its length.

    Arguments and layout as in `log_growth`; steps after the end of the sequence add no growth.
    """
    trajectory = scan.of_batch(cell, params, batch)
    return growth_along(cell, params, trajectory, batch.counts, k, n_discarded, every=every)


@arguments(k=COUNT, n_discarded=_DISCARDED, every=COUNT_OR_NONE)
def growth_along(
    cell: Cell,
    params: Params,
    trajectory: Trajectory,
    counts: Array,
    k: int,
    n_discarded: int | Array = 0,
    *,
    every: int | None = None,
) -> Growth:
    """Return the same along a trajectory; `counts` are the steps of the sequence, bool (T,)."""
    residuals = scan.residuals(cell, params, trajectory, by_row=True)
    t, state = jnp.arange(len(counts)), trajectory.h_prev[0]
    counted = counts & (t >= n_discarded)
    by_lu = every is None and k > 1 and jnp.finfo(state.dtype).bits == 64
    between = decomposed_by_lu if by_lu else decomposed_by_qr
    measured = t < _LEARNING if every is None else (t + 1) % every == 0
    planned = ends_of_blocks(counted) if by_lu else measured
    planned |= (t == n_discarded - 1) | (t == masks.last(counts))

    def step(carry: _Directions, at: Any) -> tuple[_Directions, tuple[Array, Array]]:
        kept, measured, planned, goes_on, counts = at
        J = kept.bound(cell, params)
        moved = tangents.at_rows(J.mm(carry.A.value))
        rows = Scaled(moved.value, moved.exponent + carry.A.exponent)
        age, planned = carry.age + 1, lanes.in_any(planned)
        waited = age >= _wait(carry.fastest) if every is None else False
        due = planned | lanes.in_any(measured | waited)
        by_qr = planned | (due & (not by_lu))
        way = due.astype(jnp.int32) + by_qr
        A, new = jax.lax.switch(way, (left, between, decomposed_by_qr), rows)
        A = jax.tree.map(partial(jnp.where, goes_on), A, carry.A)
        spread = jnp.where(due & goes_on, _spread(new), 0)
        above = jax.lax.cond(due, above_rounding, not_looked_at, rows, new, age)
        after = _Directions(
            A=A,
            age=jnp.where(due, 0, age),
            fastest=jnp.maximum(carry.fastest, spread / age),
            logs=jnp.where(by_qr, 0, carry.logs + new),
            clear=carry.clear + jnp.where(counts, jnp.sign(above), 0),
            rank=jnp.minimum(carry.rank, jnp.where(counts, rank_at_most(J, rows), k)),
            late=carry.late | ((age > 1) & (spread > _most(spread))),
        )
        return after, (jnp.where(by_qr, carry.logs + new, 0), by_qr)

    def run(fastest: Array) -> tuple[_Directions, tuple[Array, Array]]:
        nothing = jnp.zeros(k, fastest.dtype)
        start = _Directions(
            A=Scaled(_generic(state, k, dynamics.traits(cell).n_unread), jnp.int32(0)),
            age=jnp.int32(0), fastest=fastest, logs=nothing, clear=nothing,
            rank=jnp.int32(k), late=jnp.array(False),
        )  # fmt: skip
        return jax.lax.scan(step, start, (residuals, measured, planned, counts, counted))

    one_pass = every is not None or k == 1  # a lone direction has none to be told from
    zero = jnp.zeros((), state.real.dtype)
    end, (logs, due) = run(zero) if one_pass else _until_in_time(run, zero)
    first = first_non_finite_step(trajectory.states)
    return Growth(logs, due, counted, end.A.value, end.clear, end.rank, first)


def _until_in_time(run: Callable[[Array], Any], zero: Array) -> Any:
    """Return what `run` finds; if a decomposition came too late, with one at every step."""

    def one_pass(found: Any, fastest: Array) -> tuple[Any, None]:
        needed = (fastest == 0) | lanes.in_any(found[0].late)
        return jax.lax.cond(needed, lambda: run(fastest), lambda: found), None

    nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(run, zero))
    passes = jnp.stack([zero, jnp.asarray(jnp.finfo(zero.dtype).max, zero.dtype)])
    return jax.lax.scan(one_pass, nothing, passes)[0]


class _Directions(NamedTuple):
    """What a step hands on.

    Attributes:
      A: the directions, (n_h, k).
      age: the steps since the last decomposition.
      fastest: the fastest spread of directions per step so far, nats.
      logs: the growth since the last QR decomposition, (k,).
      clear: how many more decompositions than not have left |R_ii| above rounding, (k,).
      rank: how many directions are left at most, int32 ().
      late: whether directions had spread further than they may before they were decomposed.
    """

    A: Scaled
    age: Array
    fastest: Array
    logs: Array
    clear: Array
    rank: Array
    late: Array


def _spread(logs: Array) -> Array:
    """Return how far directions grew apart, nats; the largest float if that is not finite."""
    spread = jnp.max(logs) - jnp.min(logs)
    return jnp.where(jnp.isfinite(spread), spread, jnp.finfo(logs.dtype).max)


def _most(spread: Array) -> float:
    """Return how far directions may grow apart before they are decomposed, nats."""
    return -math.log(jnp.finfo(spread.dtype).eps) / 3


def _wait(fastest: Array) -> Array:
    """Return the steps between two decompositions, given the fastest spread per step."""
    most = _most(fastest)
    return jnp.maximum(jnp.floor(most / jnp.maximum(fastest, most / _LONGEST)), 1)


def _generic(state: Array, k: int, n_unread: int = 0) -> Array:
    """Return k orthonormal directions that favour no coordinate that a step reads, (n_h, k)."""
    # What lies along an entry that no step reads is lost in the first step, and is no growth.
    n = state.size - n_unread if k <= state.size - n_unread else state.size
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((n, k)))[0]
    return jnp.asarray(np.pad(directions, ((0, state.size - n), (0, 0))), state.dtype)
