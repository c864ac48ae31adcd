"""The layers of a stack, each as a cell of its own that the layer below drives.

With o^l what layer l sends on, B^l_t = dh^l_t/do^{l-1}_t and J^l_t = dh^l_t/dh^l_{t-1},

  delta^l_t = dL/dh^l_t = (dL/dh^l_t)_readout + (do^l_t/dh^l_t)^T (B^{l+1}_t)^T delta^{l+1}_t
              + (J^l_{t+1})^T delta^l_{t+1}                                      (1)

This is the total derivative, including the way through higher layers at the same step, as automatic
differentiation gives it for the hidden state of a layer. (For the stack as one cell h_t is one
vector whose parts vary independently, and that way is not part of the derivative.) Every layer is
scanned back by itself and has exponents of its own: no layer underflows beside another.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import adjoint, boundary, cotangents, dynamics, scaled, scan
from rnnjax.ranges import refusal
from rnnjax.scaled import Scaled
from rnnjax.trajectory import Trajectory
from rnnjax.types import Array, Batch, Cell, Params, StepLoss


class Layer(NamedTuple):
    """One layer along a sequence.

    Attributes:
      cell: its cell.
      params: its parameters.
      trajectory: its states and arguments, leaves (T, ...).
      x: its inputs, (T, n_x); None for the first layer of a stack, where nothing needs them.
    """

    cell: Any
    params: Params
    trajectory: Trajectory
    x: Any


class Deltas(NamedTuple):
    """dL/dh_t of one layer, equation (1).

    Attributes:
      at_steps: of h_1..h_T, value (T, n), exponent (T,).
      at_start: of h_0, value (n,), exponent ().
    """

    at_steps: Scaled
    at_start: Scaled

    def by_time(self) -> Scaled:
        """Return those of h_0..h_T, value (T+1, n), exponent (T+1,)."""
        return jax.tree.map(
            lambda first, rest: jnp.concatenate([first[None], rest]), self.at_start, self.at_steps
        )


def of_trajectory(cell: Cell, params: Params, trajectory: Trajectory) -> list[Layer]:
    """Return the layers of a cell along its trajectory, first layer first.

    A cell that is no stack is its own only layer.

    Raises:
      ValueError: the cell is a stack that steps in half precision.
    """
    if not _has_layers(cell):
        return [Layer(cell, params, trajectory, None)]
    stack: Any = cell
    steps = jax.vmap(lambda h, d: stack.at_layers(params, h, d))(
        trajectory.h_prev, trajectory.drive
    )
    homogeneous = dynamics.is_homogeneous(cell)
    found: list[Layer] = []
    for (own, own_params), at in zip(stack.seen(params), steps, strict=True):
        states = Scaled(at.h, trajectory.exponent)
        states = scaled.renormalise(states) if homogeneous else states
        plain = scaled.plain(states) if homogeneous else at.h
        exponent, z = trajectory.exponent, at.preactivation
        along = Trajectory(states, at.h_prev, at.drive, exponent, plain, z)
        found.append(Layer(own, own_params, along, _outputs(found[-1]) if found else None))
    return found


def _outputs(layer: Layer) -> Array:
    """Return what a layer sends on, (T, n_o), in the unit of its states."""
    states = layer.trajectory.states.value
    return jax.vmap(lambda h: dynamics.output(layer.cell, layer.params, h))(states)


def split(cell: Cell, h: Array) -> tuple[Array, ...]:
    """Return the states of the layers, of the whole state (n_h,)."""
    stack: Any = cell
    return stack.split(h) if _has_layers(cell) else (h,)


def _has_layers(cell: Cell) -> bool:
    has = hasattr(cell, "at_layers")
    if not has and hasattr(getattr(cell, "user_cell", cell), "at_layers"):
        raise refusal("cell", "layers that step in float32 or more", "one that steps in half")
    return has


def back(layers: Sequence[Layer], sources: Sequence[Scaled]) -> list[Deltas]:
    """Return dL/dh_t of every layer, equation (1), first layer first.

    Args:
      layers: the layers.
      sources: the derivatives of the losses with respect to the states of each layer that the
        readout sees, value (T, n), exponent (T,); 0 behind the end of the sequence.
    """
    found: list[Deltas] = []
    from_above = None
    for layer, own in zip(reversed(layers), reversed(sources), strict=True):
        source = own if from_above is None else scaled.add(own, to_state(layer, from_above))
        found.append(back_through(layer, source))
        from_above = None if layer.x is None else to_input(layer, found[-1].at_steps)
    return found[::-1]


def back_through(layer: Layer, source: Scaled) -> Deltas:
    """Return dL/dh_t of one layer from all that reaches it from outside of it at the same step."""
    cell, params, along, _ = layer
    nothing = Scaled(jnp.zeros_like(source.value[0]), jnp.int32(scaled.ZERO_EXPONENT))
    residuals = scan.residuals(cell, params, along)
    return Deltas(*adjoint.scan_back(cell, params, residuals, nothing, source))


def to_input(layer: Layer, deltas: Scaled) -> Scaled:
    """Return dL/dx_t of one layer, value (T, n_x), from its dL/dh_t, value (T, n)."""
    cell, params, along, x = layer

    def one(at: Trajectory, x: Array, v: Array) -> Scaled:
        by_drive = scan.linearize(cell, params, at).to_drive(v)
        d, to_x = jax.vjp(lambda x: dynamics.drive(cell, params, x), x)
        return Scaled(to_x(by_drive.value.astype(d.dtype))[0], by_drive.exponent)

    found = jax.vmap(one)(along, x, deltas.value)
    return scaled.normalise(found.value, deltas.exponent + found.exponent)


def to_state(layer: Layer, by_output: Scaled) -> Scaled:
    """Return dL/dh_t, value (T, n), from dL/d(what the layer sends on), (T, n_o)."""
    cell, params, along, _ = layer

    def one(h: Array, v: Array) -> Array:
        sent, pull = jax.vjp(lambda h: dynamics.output(cell, params, h), h)
        return pull(v.astype(sent.dtype))[0]

    value = jax.vmap(one)(along.states.value, by_output.value)
    return scaled.normalise(value, by_output.exponent)


def deltas(cell: Cell, params: Params, trajectory: Trajectory, source: Scaled) -> list[Deltas]:
    """Return dL/dh_t of every layer of a cell, equation (1), first layer first.

    Args:
      cell: the cell.
      params: its parameters.
      trajectory: T steps.
      source: the derivatives of the losses of the steps with respect to their states, value (T,
        n_h); 0 behind the end of the sequence.
    """
    parts = jax.vmap(lambda g: split(cell, g))(source.value)
    sources = [scaled.normalise(part, source.exponent) for part in parts]
    return back(of_trajectory(cell, params, trajectory), sources)


def at_step(g: Scaled, t: Array, n_steps: int) -> Scaled:
    """Return g, value (n,), at one of n_steps steps, and 0 at the others: value (n_steps, n)."""
    here = jnp.arange(n_steps) == t
    value = jnp.where(here[:, None], g.value[None], 0)
    return Scaled(value, jnp.where(here, g.exponent, scaled.ZERO_EXPONENT))


@boundary.of_probe
def gradients(cell: Cell, loss: StepLoss, params: Params, batch: Batch) -> tuple[Deltas, ...]:
    """Return dL/dh_t of every layer for the loss of a sequence, sum_t mask_t loss(y_t).

    Args:
      cell: a stack, or any cell, which is its own only layer.
      loss: the loss of one step.
      params: parameters.
      batch: one sequence.

    Returns:
      first layer first; derivatives as `jax.grad` gives them, also of complex states.
    """
    trajectory = scan.of_batch(cell, params, batch)
    _, source = cotangents.readout_source(cell, loss, params, trajectory.plain, batch.y, batch.mask)
    return tuple(deltas(cell, params, trajectory, source))
