"""Cells on top of one another: each layer's output is the input of the next at the same step.

  h^1_t = step^1(h^1_{t-1}, x_t)                                                 (1)
  h^l_t = step^l(h^l_{t-1}, o^{l-1}(h^{l-1}_t)),  l = 2..L                       (2)
  y_t   = V o^L(h^L_t) + c                                                       (3)

o^l is what layer l sends on: h of an LSTM's [h, c], the readout of an LRU, else the whole state
(`output` in `rnnjax.dynamics`). The Jacobian of a step is block triangular, because no layer acts
on a lower one: its diagonal blocks are the Jacobians of the layers, each driven by its own input.

The state is that of all layers, one behind the other, a complex one as [Re h, Im h]; if all units
have m entries, the first entries of all units stand first, then the second ones.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import dynamics, fields, tangents
from rnnjax.cells import initial_weights, layered, parts
from rnnjax.dynamics import Traits
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, arguments, refusal
from rnnjax.tangents import block_triangular
from rnnjax.types import Array, Point


class StackParams(NamedTuple):
    """Parameters of stacked cells, and y = V o + c with the output o of the last of them.

    Attributes:
      layers: the parameters of each cell, first layer first, with None in place of arrays that
        only the cell's own readout needs.
      V: readout weights, (n_y, n_o).
      c: readout bias, (n_y,).
    """

    layers: tuple[Any, ...]
    V: Array
    c: Array


class AtLayer(NamedTuple):
    """One step of one layer.

    Attributes:
      h_prev: its state before the step, (n,).
      drive: its drive, (n_d,).
      h: its state after the step, (n,).
      preactivation: z_t, (n_z,), of a pre-activation cell; None of any other.
    """

    h_prev: Array
    drive: Array
    h: Array
    preactivation: Array | None


@fields.dataclass
class Stack:
    """Several layers of cells, equations (1) to (3).

    Attributes:
      cells: the layers, first layer first; a cell has as many inputs as the one below has outputs.
      n_y: outputs.
    """

    cells: tuple[Any, ...] = fields.declared(layered.CELLS, static=False)
    n_y: int = fields.count(default=1)

    step = parts.step

    def __post_init__(self) -> None:
        for below, (lower, upper) in enumerate(itertools.pairwise(self.cells), 1):
            n = layered.output_size(lower, below)
            if upper.n_x != n:
                message = f"n_x = {n} of layer {below + 1}, the outputs of layer {below}"
                raise refusal("cells", message, upper.n_x)
        layered.output_size(self.cells[-1], len(self.cells))

    @property
    def n_x(self) -> int:
        """Inputs: those of the first layer."""
        n: int = self.cells[0].n_x
        return n

    @property
    def n_h(self) -> int:
        """State entries of all layers."""
        return sum(self._sizes())

    @property
    def traits(self) -> Traits:
        """What holds for every layer."""
        found = [dynamics.traits(cell) for cell in self.cells]
        entries = {layered.entries_per_unit(cell) for cell in self.cells}
        return Traits(
            homogeneous=all(known.homogeneous for known in found),
            bounded=all(known.bounded for known in found),
            entries_per_unit=entries.pop() if len(entries) == 1 else None,
        )

    @arguments(key=KEY)
    def init(self, key: Array) -> StackParams:
        """Draw the parameters of every layer by its own `init`, and V ~ N(0, 1/n_o)."""
        *keys, key_readout = jax.random.split(key, len(self.cells) + 1)
        n = layered.output_size(self.cells[-1], len(self.cells))
        (V,) = initial_weights.normals(key_readout, (self.n_y, n))
        layers = tuple(layered.drawn(cell, k) for cell, k in zip(self.cells, keys, strict=True))
        return StackParams(layers, V / n**0.5, jnp.zeros(self.n_y))

    def initial_state(self) -> Array:
        """Return the initial states of all layers, (n_h,)."""
        return self.joined([layered.as_real(cell.initial_state()) for cell in self.cells])

    def readout(self, params: StackParams, h: Array) -> Array:
        """Return y_t, equation (3)."""
        cell, own = self.seen(params)[-1]
        return matvec(params.V, dynamics.output(cell, own, self.split(h)[-1])) + params.c

    def output(self, params: StackParams, h: Array) -> Array:
        """Return what the last layer sends on, (n_o,)."""
        cell, own = self.seen(params)[-1]
        return dynamics.output(cell, own, self.split(h)[-1])

    def drive(self, params: StackParams, x: Array) -> Array:
        """Return the part of a step that depends on no state.

        It is the drive of the first layer; of homogeneous layers also the constant part of the
        drive of each further one, because a bias does not grow with the states.
        """
        (cell, own), *_ = seen = self.seen(params)
        first = dynamics.drive(cell, own, x)
        if not self.traits.homogeneous:
            return first
        silent = self.split(jnp.zeros_like(self.initial_state()))
        between = zip(seen, seen[1:], silent, strict=False)
        constants = [_drive_from_below(lower, upper, h) for lower, upper, h in between]
        return jnp.concatenate([first, *constants])

    def advance(self, params: StackParams, h: Array, d: Array) -> Array:
        """Return h_t of all layers, equations (1) and (2), from h_{t-1} and the drive."""
        return self.joined([at.h for at in self.at_layers(params, h, d)])

    def at_layers(self, params: StackParams, h: Array, d: Array) -> tuple[AtLayer, ...]:
        """Return the step of every layer; arguments as those of `advance`, in the same unit."""
        seen = self.seen(params)
        drives = self._own_drives(seen, d)
        found: list[AtLayer] = []
        for i, ((cell, own), before) in enumerate(zip(seen, self.split(h), strict=True)):
            if i == 0:
                drive = drives[0]
            elif self.traits.homogeneous:
                drive = _linear_part(seen[i - 1], seen[i], found[-1].h) + drives[i]
            else:
                drive = _drive_from_below(seen[i - 1], seen[i], found[-1].h)
            h, z = dynamics.advance_and_preactivation(cell, own, before, drive)
            found.append(AtLayer(before, drive, h, z))
        return tuple(found)

    def linearize(
        self, params: StackParams, at: Point, *, by_row: bool = False
    ) -> tangents.BlockTriangular:
        """Return the Jacobian of a step from those of the layers."""
        seen, steps = self.seen(params), self.at_layers(params, at.h, at.drive)
        points = [Point(step.h_prev, step.drive, step.preactivation) for step in steps]
        blocks = [
            tangents.linearize(cell, own, point, by_row=by_row)
            for (cell, own), point in zip(seen, points, strict=True)
        ]
        pairs = zip(seen, seen[1:], steps, strict=False)
        between = [tangents.between(lower, upper, step.h) for lower, upper, step in pairs]
        arrangement = block_triangular.Arrangement(
            sizes=tuple(self._sizes()),
            m=dynamics.entries_per_unit(self),
            driven=tuple(d.size for d in self._own_drives(seen, at.drive)),
        )
        return tangents.BlockTriangular(tuple(blocks), tuple(between), arrangement, by_row)

    def seen(self, params: StackParams) -> list[tuple[Any, Any]]:
        """Return every layer with its parameters; a complex one as a real one of twice the size."""
        return layered.seen(self.cells, params.layers)

    def split(self, h: Array) -> tuple[Array, ...]:
        """Return the states of the layers, of the whole state (n_h,)."""
        return block_triangular.split(h, self._sizes(), dynamics.entries_per_unit(self))

    def joined(self, states: Sequence[Array]) -> Array:
        """Return the whole state (n_h,), of the states of the layers."""
        return block_triangular.joined(states, dynamics.entries_per_unit(self))

    def _sizes(self) -> list[int]:
        def state(cell: Any) -> Any:
            return jax.eval_shape(lambda: layered.as_real(cell.initial_state()))

        return [state(cell).size for cell in self.cells]

    def _own_drives(self, seen: list[tuple[Any, Any]], d: Array) -> list[Array]:
        """Return the parts of the drive, one a layer where the layers are homogeneous."""
        if not self.traits.homogeneous:
            return [d]
        xs = [jnp.zeros(cell.n_x) for cell in self.cells]
        sizes = [
            jax.eval_shape(lambda x, at=at: dynamics.drive(at[0], at[1], x), x).size
            for at, x in zip(seen, xs, strict=True)
        ]
        return jnp.split(d, list(itertools.accumulate(sizes))[:-1])


def _drive_from_below(lower: tuple[Any, Any], upper: tuple[Any, Any], h: Array) -> Array:
    """Return the drive of a layer from the new state of the one below."""
    return dynamics.drive(*upper, dynamics.output(*lower, h))


def _linear_part(lower: tuple[Any, Any], upper: tuple[Any, Any], h: Array) -> Array:
    """Return the same without its constant part.

    A homogeneous function is its own derivative in the direction of its argument (Euler).
    """
    return jax.jvp(lambda h: _drive_from_below(lower, upper, h), (h,), (h,))[1]
