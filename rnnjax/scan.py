"""The forward pass over time.

  h_t = step(params, h_{t-1}, x_t),  t = 1..T                     (1)
  L   = sum_t mask_t loss(readout(params, h_t), y_t)              (2)

The states of positively homogeneous cells are carried with an exponent (`rnnjax.homogeneous`).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import (
    boundary,
    dynamics,
    homogeneous,
    masks,
    scaled,
    shape_checks,
    state_dtype,
    tangents,
)
from rnnjax.homogeneous import Run
from rnnjax.ranges import refusal
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals, Tangent
from rnnjax.trajectory import Trajectory, before, unless_over
from rnnjax.types import Array, Batch, Cell, Params, Point, StepLoss

# With at most this many inputs, drives are computed within the scan. Computed ahead of it they are
# written, transposed for sequences side by side and read again, which costs more than the products.
_FEW_INPUTS = 16


def initial(cell: Cell, params: Params) -> Scaled:
    """Return h_0 as a `Scaled`, value (n_h,)."""
    h_0 = cell.initial_state()
    if dynamics.is_homogeneous(cell):
        return scaled.normalise(h_0)
    return Scaled(h_0, jnp.zeros((), jnp.int32))


def started(
    cell: Cell, params: Params, start: Scaled | Array | None, name: str = "state"
) -> Scaled:
    """Return a state from which a sequence starts as a `Scaled`, value (n_h,).

    Args:
      cell: the cell.
      params: its parameters.
      start: the state, (n_h,) or its `Scaled`; the cell's own initial state if None.
      name: what it is called in an error.

    Raises:
      ValueError: it is no state of this cell.
    """
    own = initial(cell, params)
    if start is None:
        return own
    given = start if isinstance(start, Scaled) else Scaled(start, jnp.zeros((), jnp.int32))
    value, shape = given.value, own.value.shape
    fits = isinstance(value, (jax.Array, np.ndarray)) and value.shape == shape
    if not fits or jnp.ndim(given.exponent):
        raise refusal(name, f"a state of shape {shape}", shape_checks.described(value), "", str)
    if jnp.iscomplexobj(value) and not jnp.iscomplexobj(own.value):
        raise refusal(name, "a real state", shape_checks.described(value), "", str)
    value = jnp.asarray(value, jnp.result_type(value, own.value))
    if dynamics.is_homogeneous(cell):
        return scaled.normalise(value, given.exponent)
    return Scaled(scaled.shift(value, given.exponent), jnp.zeros((), jnp.int32))


def unroll(cell: Cell, params: Params, x: Array, start: Scaled | Array | None = None) -> Trajectory:
    """Run a cell over one sequence, equation (1).

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      start: h_0, (n_h,) or its `Scaled`; the cell's own initial state if None.

    Raises:
      ValueError: cell, parameters, inputs and start do not fit one another.
    """
    cell, params, x = boundary.admitted_inputs(cell, params, x)
    return steps(cell, params, x, started(cell, params, start, "start"))


def steps(
    cell: Cell,
    params: Params,
    x: Array,
    start: Scaled | None = None,
    *,
    counts: Array | None = None,
) -> Trajectory:
    """Run a cell over steps that `rnnjax.boundary` has checked, otherwise like `unroll`.

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      start: h_0; the cell's own initial state if None.
      counts: which steps belong to the sequence, bool (T,), as returned by `rnnjax.masks.counted`;
        after the last of them the state is held constant. All steps if None.
    """
    return run(cell, params, x, start, counts=counts).trajectory


def run(
    cell: Cell,
    params: Params,
    x: Array,
    start: Scaled | None = None,
    *,
    counts: Array | None = None,
) -> Run:
    """Run a cell as `steps` does; return the last state beside the trajectory."""

    def drive(x: Array) -> Array:
        return dynamics.drive(cell, params, x)

    start = initial(cell, params) if start is None else start
    start = _of_one_dtype(cell, params, start, jax.eval_shape(drive, x[0]))
    if dynamics.is_homogeneous(cell):
        return homogeneous.run(cell, params, start, jax.vmap(drive)(x), counts)
    if x[0].size > _FEW_INPUTS:
        return _run_plain(cell, params, start, jax.vmap(drive)(x), counts, lambda d: d)
    return _run_plain(cell, params, start, x, counts, drive)


def of_batch(cell: Cell, params: Params, batch: Batch) -> Trajectory:
    """Run a cell over one sequence that `rnnjax.masks.cut` has cut to its length."""
    return steps(cell, params, batch.x, counts=batch.counts)


def _of_one_dtype(cell: Cell, params: Params, start: Scaled, d: jax.ShapeDtypeStruct) -> Scaled:
    """Return h_0 in the dtype that the step returns; cells from `boundary` have it already."""
    dtype = state_dtype.of_drive(cell, params, d)
    return Scaled(start.value.astype(dtype), start.exponent)


def _run_plain(
    cell: Cell,
    params: Params,
    start: Scaled,
    inputs: Array,
    counts: Array | None,
    drive: Callable[[Array], Array],
) -> Run:
    """Run a cell over the inputs of all steps; `drive` makes the drive of a step from its input."""

    def step(h: Array, at: tuple[Array, Array | None]) -> tuple[Array, tuple]:
        x, goes_on = at
        d = drive(x)
        new, z = dynamics.advance_and_preactivation(cell, params, h, d)
        h = unless_over(goes_on, new, h)
        return h, (h, z, d)

    last, (h, z, d) = jax.lax.scan(step, start.value, (inputs, counts))
    exponent = jnp.zeros(len(d), jnp.int32)
    states = Scaled(h, exponent)
    trajectory = Trajectory(states, before(start, states).value, d, exponent, h, z)
    return Run(trajectory, Scaled(last, start.exponent))


def residuals(
    cell: Cell, params: Params, trajectory: Trajectory, *, by_row: bool = False
) -> Residuals:
    """Return what has to be stored of the tangents of all steps, leaves (T, ...)."""
    return jax.vmap(lambda at: residuals_of_step(cell, params, at, by_row=by_row))(trajectory)


def residuals_of_step(
    cell: Cell, params: Params, at: Trajectory, *, by_row: bool = False
) -> Residuals:
    """Return the same for one step, leaves without T."""
    return tangents.residuals(cell, params, point(cell, params, at), by_row=by_row)


def linearize(cell: Cell, params: Params, at: Trajectory) -> Tangent:
    """Return the tangent of one step, leaves without T."""
    return tangents.linearize(cell, params, point(cell, params, at))


def point(cell: Cell, params: Params, at: Trajectory) -> Point:
    """Return where one step was taken, leaves without T."""
    return dynamics.point(cell, params, at.h_prev, at.drive, at.preactivation)


def step_losses(
    cell: Cell, loss: StepLoss, params: Params, h: Array, y: Array, mask: Array
) -> Array:
    """Return mask_t loss(readout(h_t), y_t) of every step, (T,).

    Args:
      cell: the cell.
      loss: the loss of one step.
      params: parameters.
      h: states h_1..h_T, (T, n_h).
      y: targets, (T, n_y).
      mask: weights, (T,).
    """
    y_hat = readouts(cell, params, h, mask)
    return weighed(jax.vmap(loss)(y_hat, masks.of_weight(y, mask)), mask)


def readouts(cell: Cell, params: Params, h: Array, mask: Array) -> Array:
    """Return readout(h_t), (T, n_y); steps without weight get the readout of another step.

    A step without weight must not affect the loss even if its state has overflowed: 0 inf is NaN.
    Bounded cells keep the readout of every step. Complex states are never taken for bounded: tanh
    has poles.
    """
    is_bounded = dynamics.traits(cell).bounded and not jnp.iscomplexobj(h)
    h = h if is_bounded else masks.of_weight(h, mask)
    return jax.vmap(lambda h: cell.readout(params, h))(h)


def weighed(losses: Array, mask: Array) -> Array:
    """Return mask_t l_t, (T,); 0 where the mask is 0, whatever the loss is there."""
    return jnp.where(mask != 0, mask * losses, 0)


def outputs(cell: Cell, params: Params, x: Array) -> Array:
    """Return readout(h_t) of every step of one sequence, (T, n_y)."""
    cell, params, x = boundary.admitted_inputs(cell, params, x)
    return jax.vmap(lambda h: cell.readout(params, h))(steps(cell, params, x).plain)


def sequence_loss(cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
    """Return the loss of one sequence, (), by a plain scan of equations (1) and (2).

    Its `jax.grad` is the reference that every exact learning rule must reproduce.
    """
    cell, params, batch = boundary.admitted(cell, loss, params, batch, needs_loss=True)

    def step(h: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        x, goes_on = at
        h = jnp.where(goes_on, cell.step(params, h, x), h)
        return h, h

    like = jax.eval_shape(cell.step, params, cell.initial_state(), batch.x[0])
    start = cell.initial_state().astype(like.dtype)
    _, h = jax.lax.scan(step, start, (batch.x, batch.counts))
    return jnp.sum(step_losses(cell, loss, params, h, batch.y, batch.mask))
