"""The forward pass of positively homogeneous cells, whose states may leave the range of a float.

States of linear, relu and leaky_relu networks can leave the range of float32 within the sequence
lengths of interest: at gain 2 they exceed 1e38 at t = 128, and inf - inf then makes every slope
NaN. The states are therefore carried as mantissa and exponent,

  advance(2^-E h, 2^-E d) = 2^-E advance(h, d)                    (1)

with E the larger of the exponents of h and of the drive d. The Jacobian is the same on both sides.

Derivatives of such a pass are propagated separately, as plain numbers, with the Jacobians of the
scaled steps. A drive of exactly 0 therefore has a derivative, and a state that has left the range
of the dtype invalidates no derivative.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import dynamics, scaled
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory, before, unless_over
from rnnjax.types import Array, Cell, Params


class Run(NamedTuple):
    """A trajectory and its last state; a user of that alone has no stack of states in memory."""

    trajectory: Trajectory
    last: Scaled


def run(cell: Cell, params: Params, start: Scaled, d: Array, counts: Array | None) -> Run:
    """Run a homogeneous cell over the drives of all steps, equation (1).

    Args:
      cell: the cell.
      params: its parameters.
      start: h_0, value (n_h,).
      d: drives, (T, n_d).
      counts: as in `rnnjax.scan.steps`.
    """
    leaves, structure = jax.tree.flatten(cell)
    traced = [isinstance(leaf, jax.Array) for leaf in leaves]

    def rebuilt(arrays: Sequence[Array]) -> Cell:
        given = iter(arrays)
        own = [next(given) if t else leaf for leaf, t in zip(leaves, traced, strict=True)]
        return jax.tree.unflatten(structure, own)

    arrays = [leaf for leaf, t in zip(leaves, traced, strict=True) if t]
    return _carried(rebuilt, arrays, params, start, d, counts)


class _Arguments(NamedTuple):
    """State and drive in units of 2^exponent, ready for `advance`."""

    h: Array
    drive: Array
    exponent: Array


def _arguments(h: Scaled, d: Array, size: Array) -> _Arguments:
    """Return state and drive at the larger E of their exponents, equation (1); stacked or not."""
    top = jnp.maximum(h.exponent, size)
    top = jnp.where(scaled.is_zero(top), 0, top)
    # In two steps: 2^-top may be below the range of the dtype where 2^-top d is not.
    furthest = jnp.finfo(d.dtype).maxexp - 2
    near = jnp.clip(top, -furthest, furthest)
    drive = Scaled(scaled.in_unit(Scaled(d, jnp.zeros_like(top)), near), near)
    return _Arguments(scaled.in_unit(h, top), scaled.in_unit(drive, top), top)


def _sizes(d: Array) -> Array:
    """Return the exponents of the drives, (T,), whose negatives are those of normal numbers."""
    return jnp.minimum(scaled.exponent_of(d, 1), jnp.finfo(d.dtype).maxexp - 2)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _carried(
    rebuilt: Callable[[Sequence[Array]], Cell],
    arrays: list[Array],
    params: Params,
    start: Scaled,
    d: Array,
    counts: Array | None,
) -> Run:
    """Run a homogeneous cell; `rebuilt` makes it from the arrays in its fields."""
    cell = rebuilt(arrays)

    def step(h: Scaled, at: tuple[Array, Array, Array | None]) -> tuple[Scaled, tuple]:
        d, size, goes_on = at
        given = _arguments(h, d, size)
        new, z = dynamics.advance_and_preactivation(cell, params, given.h, given.drive)
        h = unless_over(goes_on, scaled.normalise(new, given.exponent), h)
        return h, (h, z)

    sizes = _sizes(d)
    last, (states, z) = jax.lax.scan(step, start, (d, sizes, counts))
    at = _arguments(before(start, states), d, sizes)
    return Run(Trajectory(states, at.h, at.drive, at.exponent, scaled.plain(states), z), last)


@_carried.defjvp
def _(rebuilt: Callable, primals: tuple, directions: tuple) -> tuple[Run, Run]:
    arrays, params, start, d, counts = primals
    d_arrays, d_params, d_start, d_drive, _ = directions
    found = _carried(rebuilt, *primals)
    run = found.trajectory

    def advance(arrays: list[Array], params: Params, h: Array, d: Array) -> Any:
        return dynamics.advance_and_preactivation(rebuilt(arrays), params, h, d)

    def step(dh: Array, at: Any) -> tuple[Array, Any]:
        h, drive, d_drive, weights_at, exponent, goes_on = at
        by_state = jax.jvp(partial(advance, arrays, params), (h, drive), (dh, d_drive))[1]
        by_weights = jax.jvp(
            lambda a, p: advance(a, p, *weights_at), (arrays, params), (d_arrays, d_params)
        )[1]
        new, z = jax.tree.map(lambda a, b: a + scaled.shift(b, exponent), by_state, by_weights)
        new = unless_over(goes_on, new, dh)
        return new, (dh, new, z)

    h_prev = jnp.concatenate([scaled.plain(start)[None], run.plain[:-1]])
    weights_at = _where_weights_act(run, h_prev, d)
    steps = (run.h_prev, run.drive, d_drive, *weights_at, counts)
    first = scaled.shift(d_start.value, scaled.unit_of(start.exponent))
    before, after, z = jax.lax.scan(step, first, steps)[1]
    lowered = partial(scaled.shift, exponent=-run.exponent)
    d_run = Trajectory(
        states=_direction(run.states, after),
        h_prev=lowered(before),
        drive=lowered(d_drive),
        exponent=_none(run.exponent),
        plain=after,
        preactivation=None if z is None else lowered(z),
    )
    return found, Run(d_run, _direction(found.last, after[-1]))


def _direction(number: Scaled, plain: Array) -> Scaled:
    """Return the tangent of a scaled number from that of the plain number."""
    value = scaled.shift(plain, -scaled.unit_of(number.exponent))
    return Scaled(value, _none(number.exponent))


def _none(exponent: Array) -> Any:
    """Return the tangent of exponents, float0: integers have no derivative."""
    return np.zeros(exponent.shape, jax.dtypes.float0)


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
