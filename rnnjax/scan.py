"""The forward pass over time.

  h_t = step(params, h_{t-1}, x_t),  t = 1..T                     (1)
  L   = sum_t mask_t loss(readout(params, h_t), y_t)              (2)

The states of a positively homogeneous cell (linear, relu, leaky_relu) can leave the range of
float32 within the sequence lengths of interest: at gain 2 they exceed 1e38 at t = 128, and
inf - inf then makes every slope NaN. The states are therefore carried as mantissa and exponent,

  advance(2^-E h, 2^-E d) = 2^-E advance(h, d)                    (3)

with E the larger of the exponents of h and of the drive d. The Jacobian is the same on both sides.

Derivatives of such a pass are propagated separately, as plain numbers, with the Jacobians of the
scaled steps. A drive of exactly 0 therefore has a derivative, and a state that has left the range
of the dtype invalidates no derivative.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import boundary, dynamics, masks, scaled, state_dtype, tangents
from rnnjax.scaled import Scaled
from rnnjax.tangents import Residuals, Tangent
from rnnjax.trajectory import Trajectory, arguments
from rnnjax.types import Array, Batch, Cell, Params, Point, StepLoss


def initial(cell: Cell, params: Params) -> Scaled:
    """Return h_0 as a `Scaled`, value (n_h,)."""
    h_0 = cell.initial_state()
    if dynamics.is_homogeneous(cell):
        return scaled.normalise(h_0)
    return Scaled(h_0, jnp.zeros((), jnp.int32))


def drives(cell: Cell, params: Params, x: Array) -> Scaled:
    """Return the drives of all steps, value (T, n_d), exponent (T,)."""
    d = jax.vmap(lambda x: dynamics.drive(cell, params, x))(x)
    exponent = jnp.zeros(d.shape[0], jnp.int32)
    return scaled.normalise(d, exponent) if dynamics.is_homogeneous(cell) else Scaled(d, exponent)


def unroll(cell: Cell, params: Params, x: Array, start: Scaled | None = None) -> Trajectory:
    """Run a cell over one sequence, equation (1).

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      start: h_0; the cell's own initial state if None.

    Raises:
      ValueError: cell, parameters and inputs do not fit one another.
    """
    cell, params, x = boundary.admitted_inputs(cell, params, x)
    return steps(cell, params, x, start)


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
    start = initial(cell, params) if start is None else start
    d = drives(cell, params, x)
    start = _of_one_dtype(cell, params, start, d)
    run = _unroll_scaled if dynamics.is_homogeneous(cell) else _unroll_plain
    return run(cell, params, start, d, counts)


def of_batch(cell: Cell, params: Params, batch: Batch) -> Trajectory:
    """Run a cell over one sequence that `rnnjax.masks.cut` has cut to its length."""
    return steps(cell, params, batch.x, counts=batch.counts)


def _of_one_dtype(cell: Cell, params: Params, start: Scaled, d: Scaled) -> Scaled:
    """Return h_0 in the dtype that the step returns; cells from `boundary` have it already."""
    dtype = state_dtype.of_drive(cell, params, d.value[0])
    return Scaled(start.value.astype(dtype), start.exponent)


def _unroll_plain(
    cell: Cell, params: Params, start: Scaled, d: Scaled, counts: Array | None
) -> Trajectory:
    def step(h: Array, at: tuple[Array, Array | None]) -> tuple[Array, tuple]:
        d, goes_on = at
        new, z = dynamics.advance_and_preactivation(cell, params, h, d)
        h = _unless_over(goes_on, new, h)
        return h, (h, z)

    _, (h, z) = jax.lax.scan(step, start.value, (d.value, counts))
    states = Scaled(h, d.exponent)
    return Trajectory(states, _before(start, states).value, d.value, d.exponent, h, z)


def _unless_over(goes_on: Array | None, new: Any, old: Any) -> Any:
    """Return the new state, or the old one after the end of the sequence."""
    return new if goes_on is None else jax.tree.map(partial(jnp.where, goes_on), new, old)


def _unroll_scaled(
    cell: Cell, params: Params, start: Scaled, d: Scaled, counts: Array | None
) -> Trajectory:
    leaves, structure = jax.tree.flatten(cell)
    traced = [isinstance(leaf, jax.Array) for leaf in leaves]

    def rebuilt(arrays: Sequence[Array]) -> Cell:
        given = iter(arrays)
        own = [next(given) if t else leaf for leaf, t in zip(leaves, traced, strict=True)]
        return jax.tree.unflatten(structure, own)

    arrays = [leaf for leaf, t in zip(leaves, traced, strict=True) if t]
    return _carried(rebuilt, arrays, params, start, d, counts)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _carried(
    rebuilt: Callable[[Sequence[Array]], Cell],
    arrays: list[Array],
    params: Params,
    start: Scaled,
    d: Scaled,
    counts: Array | None,
) -> Trajectory:
    """Run a homogeneous cell, equation (3); `rebuilt` makes it from the arrays in its fields."""
    cell = rebuilt(arrays)

    def step(h: Scaled, at: tuple[Scaled, Array | None]) -> tuple[Scaled, tuple]:
        d, goes_on = at
        given = arguments(h, d)
        new, z = dynamics.advance_and_preactivation(cell, params, given.h, given.drive)
        h = _unless_over(goes_on, scaled.normalise(new, given.exponent), h)
        return h, (h, z)

    _, (states, z) = jax.lax.scan(step, start, (d, counts))
    at = arguments(_before(start, states), d)
    return Trajectory(states, at.h, at.drive, at.exponent, scaled.plain(states), z)


@_carried.defjvp
def _(rebuilt: Callable, primals: tuple, directions: tuple) -> tuple[Trajectory, Trajectory]:
    arrays, params, start, d, counts = primals
    d_arrays, d_params, d_start, d_drive, _ = directions
    run = _carried(rebuilt, *primals)

    def advance(arrays: list[Array], params: Params, h: Array, d: Array) -> Any:
        return dynamics.advance_and_preactivation(rebuilt(arrays), params, h, d)

    def step(dh: Array, at: Any) -> tuple[Array, Any]:
        h, drive, d_drive, weights_at, exponent, goes_on = at
        by_state = jax.jvp(partial(advance, arrays, params), (h, drive), (dh, d_drive))[1]
        by_weights = jax.jvp(
            lambda a, p: advance(a, p, *weights_at), (arrays, params), (d_arrays, d_params)
        )[1]
        new, z = jax.tree.map(lambda a, b: a + scaled.shift(b, exponent), by_state, by_weights)
        new = _unless_over(goes_on, new, dh)
        return new, (dh, new, z)

    d_drive = _plain_tangent(d_drive, d)
    h_prev = jnp.concatenate([scaled.plain(start)[None], run.plain[:-1]])
    weights_at = _where_weights_act(run, h_prev, scaled.plain(d))
    steps = (run.h_prev, run.drive, d_drive, *weights_at, counts)
    before, after, z = jax.lax.scan(step, _plain_tangent(d_start, start), steps)[1]
    lowered = partial(scaled.shift, exponent=-run.exponent)
    return run, Trajectory(
        states=Scaled(scaled.shift(after, -scaled.unit_of(run.states.exponent)), _none(run)),
        h_prev=lowered(before),
        drive=lowered(d_drive),
        exponent=_none(run),
        plain=after,
        preactivation=None if z is None else lowered(z),
    )


def _plain_tangent(tangent: Scaled, at: Scaled) -> Array:
    return scaled.shift(tangent.value, scaled.unit_of(at.exponent))


def _where_weights_act(run: Trajectory, h_prev: Array, drive: Array) -> tuple[Any, Array]:
    """Return (h_{t-1}, d_t) of every step in units of 2^exponent, and the exponents, (T,).

    In-range values are plain numbers, because derivatives of higher order are taken through them.
    """
    far = run.exponent > jnp.finfo(h_prev.dtype).maxexp - 28
    at = jax.tree.map(
        lambda scaled_, plain: jnp.where(far[:, None], scaled_, plain),
        (run.h_prev, run.drive),
        (h_prev, drive),
    )
    return at, jnp.where(far, run.exponent, 0)


def _none(run: Trajectory) -> Any:
    """Return the tangent of the exponents, float0: integers have no derivative."""
    return np.zeros(run.exponent.shape, jax.dtypes.float0)


def _before(start: Scaled, states: Scaled) -> Scaled:
    """Return h_0..h_{T-1}."""
    return jax.tree.map(lambda first, h: jnp.concatenate([first[None], h[:-1]]), start, states)


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
    Bounded cells keep the readout of every step.
    """
    h = h if dynamics.traits(cell).bounded else masks.of_weight(h, mask)
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
