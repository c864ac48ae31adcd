"""The one place where time is scanned forward.

  h_t = step(params, h_{t-1}, x_t),  t = 1..T                     (1)
  L   = sum_t mask_t loss(readout(params, h_t), y_t)              (2)

A positively homogeneous cell (linear, relu, leaky_relu) can leave the range of float32 within the
lengths under study: at gain 2 it passes 1e38 at t = 128, and inf - inf then poisons every slope.
Its states are therefore carried as mantissa and exponent,

  advance(2^-E h, 2^-E d) = 2^-E advance(h, d)                    (3)

with E the larger of the exponents of h and of the drive d. The Jacobian is the same on both sides.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from rnnjax import dynamics, scaled
from rnnjax.scaled import Scaled
from rnnjax.types import Array, Batch, Cell, Params, StepLoss

# What `push` and `pull` need of some steps, leaves (T, ...), and the exponents of J, int32 (T,).
Tangents = tuple[Any, Array]


@struct.dataclass
class Trajectory:
    """The states of one sequence and the arguments of each of its steps: all leaves (T, ...).

    Attributes:
      states: h_1..h_T, value (T, n_h), exponent (T,) (zeros unless the cell is homogeneous).
      h_prev: h_{t-1} as `advance` was given it, (T, n_h).
      drive: the drive as `advance` was given it, (T, n_d).
      exponent: E of equation (3), int32 (T,).
      sums: what units sum up, (T, n_z), of cells that offer `local_of_sum` (see `rnnjax.dynamics`),
        from the arguments that `advance` was given; None where it is not known.
    """

    states: Scaled
    h_prev: Array
    drive: Array
    exponent: Array
    sums: Array | None = None


class Arguments(NamedTuple):
    """State and drive at one exponent, ready for `advance`."""

    h: Array
    drive: Array
    exponent: Array


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


def arguments(h: Scaled, d: Scaled) -> Arguments:
    """Bring state and drive to their larger exponent E, equation (3); stacked or not."""
    top = jnp.maximum(h.exponent, d.exponent)
    top = jnp.where(top == scaled.ZERO_EXPONENT, 0, top)
    return Arguments(
        scaled.lower(h.value, h.exponent - top), scaled.lower(d.value, d.exponent - top), top
    )


def unroll(cell: Cell, params: Params, x: Array, start: Scaled | None = None) -> Trajectory:
    """Run a cell over one sequence, equation (1).

    Args:
      cell: the cell.
      params: its parameters.
      x: inputs, (T, n_x).
      start: h_0; the cell's own initial state if None.
    """
    start = initial(cell, params) if start is None else start
    d = drives(cell, params, x)
    if dynamics.is_homogeneous(cell):
        return _unroll_scaled(cell, params, start, d)

    def step(h: Array, d: Array) -> tuple[Array, tuple]:
        h, z = dynamics.advance_and_sum(cell, params, h, d)
        return h, (h, z)

    _, (h, sums) = jax.lax.scan(step, start.value, d.value)
    states = Scaled(h, d.exponent)
    return Trajectory(states, _before(start, states).value, d.value, d.exponent, sums)


def _unroll_scaled(cell: Cell, params: Params, start: Scaled, d: Scaled) -> Trajectory:
    def step(h: Scaled, d: Scaled) -> tuple[Scaled, tuple]:
        at = arguments(h, d)
        new, z = dynamics.advance_and_sum(cell, params, at.h, at.drive)
        h = scaled.normalise(new, at.exponent)
        return h, (h, z)

    _, (states, sums) = jax.lax.scan(step, start, d)
    at = arguments(_before(start, states), d)
    return Trajectory(states, at.h, at.drive, at.exponent, sums)


def _before(start: Scaled, states: Scaled) -> Scaled:
    """Return h_0..h_{T-1}."""
    return jax.tree.map(lambda first, h: jnp.concatenate([first[None], h[:-1]]), start, states)


def tangents(cell: Cell, params: Params, trajectory: Trajectory) -> Tangents:
    """Return what is needed of every step for products with its Jacobian."""
    return jax.vmap(lambda at: tangent(cell, params, at))(trajectory)


def tangent(cell: Cell, params: Params, at: Trajectory) -> tuple[Any, Array]:
    """Return what is needed of one step, leaves without T, from its sums if they are kept."""
    if at.sums is not None and hasattr(cell, "local_of_sum"):
        return cell.local_of_sum(params, at.sums)
    return dynamics.local(cell, params, at.h_prev, at.drive)


def sums(cell: Any, params: Params, at: Trajectory) -> Array:
    """Return z of one step, (n_z,), of a cell with `sent` and `from_sum`."""
    return cell.sent(at.h_prev) @ params.W.T + at.drive if at.sums is None else at.sums


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
    # A step without weight has no say, not even with a state that has overflowed: 0 inf is NaN.
    counts = mask != 0
    h = jnp.where(counts[:, None], h, 0)
    losses = jax.vmap(lambda h, y: loss(cell.readout(params, h), y))(h, y)
    return jnp.where(counts, mask * losses, 0)


def outputs(cell: Cell, params: Params, x: Array) -> Array:
    """Return readout(h_t) of every step of one sequence, (T, n_y)."""
    h = scaled.plain(unroll(cell, params, x).states)
    return jax.vmap(lambda h: cell.readout(params, h))(h)


def generate(
    cell: Cell,
    params: Params,
    first: Array | int,
    chances: Array,
    rarest: Array | float = 0.0,
) -> Array:
    """Return what a cell writes when every symbol it chooses is its next input.

    Args:
      cell: a cell whose inputs are one-hot and whose outputs are logits of the same symbols.
      params: its parameters.
      first: the symbol before the first one that is written.
      chances: uniform in [0, 1), one for each choice, (T,).
      rarest: symbols of a smaller probability are never chosen; at most 1/n_y (Hewitt, Manning and
        Liang, Truncation sampling as language model desmoothing, Findings of EMNLP 2022).

    Returns:
      symbols, int (T,).
    """
    (n_symbols,) = jax.eval_shape(cell.readout, params, cell.initial_state()).shape

    def write(carry: tuple[Array, Array], chance: Array) -> tuple[tuple[Array, Array], Array]:
        h, symbol = carry
        h = cell.step(params, h, jax.nn.one_hot(symbol, n_symbols))
        share = jax.nn.softmax(cell.readout(params, h))
        below = jnp.cumsum(jnp.where(share < rarest, 0, share))
        symbol = jnp.sum(chance * below[-1] >= below[:-1])
        return (h, symbol), symbol

    start = (cell.initial_state(), jnp.asarray(first, int))
    return jax.lax.scan(write, start, chances)[1]


def sequence_loss(cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> Array:
    """Return the loss of one sequence, (), by a plain scan: equations (1) and (2) and nothing else.

    Its `jax.grad` is the oracle that every exact learning rule must equal.
    """

    def step(h: Array, x: Array) -> tuple[Array, Array]:
        h = cell.step(params, h, x)
        return h, h

    _, h = jax.lax.scan(step, cell.initial_state(), batch.x)
    return jnp.sum(step_losses(cell, loss, params, h, batch.y, batch.mask))


def first_non_finite_step(states: Scaled) -> Array:
    """Return the first t with an entry of h_t that is not finite, int32 (); -1 if there is none.

    Args:
      states: h_1..h_T as `Trajectory.states`.
    """
    bad = ~jnp.all(jnp.isfinite(states.value), axis=-1)
    return jnp.where(jnp.any(bad), jnp.argmax(bad) + 1, -1).astype(jnp.int32)
