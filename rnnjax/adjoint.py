"""The backward pass over one sequence.

With delta_t = dL/dh_t (the total derivative), g_t = the part of it that comes from the loss of step
t itself, and J_t = dh_t/dh_{t-1},

  delta_t = g_t + J_{t+1}^T delta_{t+1}                                        (1)

The scan carries delta alone, as a direction and a power-of-two exponent; the weight gradient is
then one contraction over all steps (see `rnnjax.gradient`).

With `segment` set, only every segment-th state is kept and the states between are computed again on
the way back: memory falls from T to T/segment + segment, time rises by one forward pass.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax import cotangents, masks, scaled, scan, segments
from rnnjax.homogeneous import Run
from rnnjax.ranges import COUNT_OR_NONE, arguments
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals
from rnnjax.trajectory import Trajectory, unless_over
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

# (trajectory of a segment, its targets) -> g_t of its steps, value (S, n_h), exponent (S,)
Source = Callable[[Trajectory, Any], Scaled]
# (trajectory, inputs, targets, deltas of a segment) -> anything
Emit = Callable[[Trajectory, Array, Any, Scaled], Any]


def scan_back(
    cell: Cell,
    params: Params,
    run: Residuals | Trajectory,
    last: Scaled,
    source: Scaled | None,
    decay: Array | float = 1.0,
    counts: Array | None = None,
) -> tuple[Scaled, Scaled]:
    """Run equation (1) over one trajectory.

    Args:
      cell: the cell.
      params: its parameters.
      run: S steps, which are linearised one by one on the way back; or their residuals (see
        `scan.residuals`), where these are needed elsewhere too.
      last: what reaches the last state from later steps, value (n_h,).
      source: g_t of every step, value (S, n_h); None for pure transport.
      decay: factor of what a step sends back, J_{t+1}^T delta_{t+1} in equation (1), for rules that
        forget: one for all steps, or one for each, (S,), by the step that sends.
      counts: which steps belong to the sequence, bool (S,): through the others delta passes
        unchanged. All if None, which is enough where `source` is 0 behind the end.

    Returns:
      delta_t of the S steps, value (S, n_h), whose largest entries are below 4 and may cancel to
      less than 1, and what reaches the state before them, (n_h,).
    """
    by_step = decay if jnp.ndim(decay) else None

    def step(arriving: Scaled, at: Any) -> tuple[Scaled, Scaled]:
        kept, g, own, goes_on = at
        delta = arriving if g is None else scaled.add_normal(arriving, g)
        before = _sent_back(cell, params, kept, delta, decay if own is None else own)
        return unless_over(goes_on, before, delta), delta

    steps = (run, source, by_step, counts)
    first, deltas = jax.lax.scan(step, scaled.renormalise(last), steps, reverse=True)
    return deltas, first


def _sent_back(
    cell: Cell,
    params: Params,
    at: Residuals | Trajectory,
    delta: Scaled,
    factor: Array | float = 1.0,
) -> Scaled:
    J = at.bound(cell, params) if isinstance(at, Residuals) else scan.linearize(cell, params, at)
    v = J.rmv(delta.value)
    return scaled.normalise(factor * v.value, delta.exponent + v.exponent)


def transport(
    cell: Cell, params: Params, run: Trajectory, last: Scaled, counts: Array | None = None
) -> Scaled:
    """Run equation (1) over S steps without losses on the way; arguments as in `scan_back`.

    A loop that keeps what it has made of the vector that arrived need not copy that one.

    Returns:
      dL/dh_t at t = 0..S-1, value (S, n_h); like those of `last`, largest entries are in [1, 2).
    """

    def step(delta: Scaled, at: tuple[Trajectory, Array | None]) -> tuple[Scaled, Scaled]:
        kept, goes_on = at
        before = unless_over(goes_on, _sent_back(cell, params, kept, delta), delta)
        return before, before

    return jax.lax.scan(step, last, (run, counts), reverse=True)[1]


def rmv_of_steps(cell: Cell, params: Params, residuals: Residuals, v: Scaled) -> Scaled:
    """Return J_t^T v_t of every step at once, value (S, n_h), exponent (S,)."""
    found = jax.vmap(lambda kept, v: kept.bound(cell, params).rmv(v))(residuals, v.value)
    return scaled.normalise(found.value, v.exponent + found.exponent)


def backward(
    cell: Cell,
    params: Params,
    x: Array,
    end: Callable[[Scaled], Scaled],
    emit: Emit,
    *,
    source: Source | None = None,
    targets: Any = None,
    segment: int | None = None,
    decay: Array | float = 1.0,
    counts: Array | None = None,
) -> tuple[list[Any], Scaled]:
    """Run one sequence forward and back, equation (1), a segment at a time.

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      end: gives what reaches h_T from beyond the sequence, value (n_h,), from h_T.
      emit: what to keep of each segment.
      source: gives g_t of a segment; None for pure transport.
      targets: what `source` and `emit` need besides, leaves (T, ...).
      segment: steps kept in memory at once; None for all of them.
      decay: see `scan_back`.
      counts: which steps belong to the sequence, bool (T,); all if None.

    Returns:
      what `emit` returned, as pieces in order of time with one leading axis (segments) each, and
      dL/dh_0.

    Raises:
      ValueError: segment is not positive.
    """
    if segment is not None and segment < 1:
        raise ValueError(f"segment: expected a positive number of steps, got {segment}")
    n_steps = x.shape[0]
    size = min(segment or n_steps, n_steps)
    n_whole, n_rest = divmod(n_steps, size)

    def segment_back(trajectory: Trajectory, last: Scaled, inputs: Any) -> tuple[Scaled, Any]:
        x, targets, counts = inputs
        g = None if source is None else source(trajectory, targets)
        # Where the losses of the steps are the source, nothing comes from behind the end.
        passes = counts if source is None else None
        deltas, first = scan_back(cell, params, trajectory, last, g, decay, passes)
        return first, emit(trajectory, x, targets, deltas)

    def again(last: Scaled, at: Any) -> tuple[Scaled, Any]:
        start, inputs = at
        return segment_back(run(start, inputs).trajectory, last, inputs)

    def run(start: Scaled, inputs: Any) -> Run:
        return scan.run(cell, params, inputs[0], start, counts=inputs[2])

    inputs = (x, targets, counts)
    start = scan.initial(cell, params)
    if n_whole == 1 and not n_rest:
        trajectory, state = run(start, inputs)
        first, out = segment_back(trajectory, end(state), inputs)
        return [jax.tree.map(lambda a: a[None], out)], first

    whole, rest = segments.split(inputs, n_whole, size)
    after, starts = jax.lax.scan(lambda h, inputs: (run(h, inputs).last, h), start, whole)
    tail = []
    if n_rest:
        trajectory, state = run(after, rest)
        last, out = segment_back(trajectory, end(state), rest)
        tail = [jax.tree.map(lambda a: a[None], out)]
    else:
        last = end(after)
    first, out = jax.lax.scan(again, last, (starts, whole), reverse=True)
    return [out, *tail], first


@arguments(segment=COUNT_OR_NONE)
def adjoint(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    *,
    keep: Callable[[Scaled], Any] = lambda deltas: deltas,
    segment: int | None = None,
) -> Any:
    """Return dL_T/dh_t at t = 0..T from one backward pass, L_T the loss of the *last* step alone.

    The last step is the last one that counts; behind it delta stays what it is there.

    Args:
      cell: the cell.
      loss: the loss of one step, taken at T without its mask; None for pure transport.
      params: parameters.
      batch: one sequence.
      keep: what to keep of stacked deltas, for instance `scaled.log_norm`.
      segment: steps kept in memory at once (see the module's docstring).

    Returns:
      what `keep` keeps, leading axis T+1.
    """

    def one(state: Scaled) -> Scaled:
        return jax.tree.map(lambda a: a[None], state)

    def end(state: Scaled) -> Scaled:
        # Behind the end of the sequence state and target stay those of its last step.
        g = cotangents.last_step_cotangent(cell, loss, params, scaled.plain(one(state)), y)
        return jax.tree.map(lambda a: a[0], g)

    def emit(_: Trajectory, x: Array, y: Any, deltas: Scaled) -> Any:
        return keep(deltas)

    counts = masks.counted(batch.mask)
    y = batch.y[masks.last_of_weight(batch.mask)][None]
    if segment is None:
        trajectory, state = scan.run(cell, params, batch.x, counts=counts)
        last = scaled.renormalise(end(state))
        before = transport(cell, params, trajectory, last, counts)
        return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), keep(before), keep(one(last)))
    # Within a segment "deltas" are those of h_t; the loss at the end enters through `end`.
    pieces, first = backward(cell, params, batch.x, end, emit, segment=segment, counts=counts)
    return jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), keep(one(first)), segments.join(pieces)
    )


def by_lag(
    cell: Cell,
    loss: StepLoss | None,
    params: Params,
    batch: Batch,
    keep: Callable[[Scaled], Array],
    segment: int | None = None,
) -> Array:
    """Return what `keep`, a number a step, keeps of dL/dh_{T-k} at the lags k = 0..T, (T+1,).

    The largest entry of what `keep` is given is in [1, 2), or it is zero. T is the last step that
    counts; NaN beyond the start of the sequence. Args as in `adjoint`.
    """
    by_time = adjoint(cell, loss, params, batch, keep=keep, segment=segment)
    return masks.by_lag(by_time, batch.mask)
