"""Any recurrent cell of flax, linen or nnx, as a cell of rnnjax.

A flax cell maps (carry, x) to (carry, y). Its carry, whatever tree it is, becomes one flat state
vector; the readout is linear, y_hat = V s + c, where s is the part of the state that the flax cell
returns as its output (h of an LSTM, not c), or the whole state where the output is no part of it.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import linen, nnx, struct
from jax.flatten_util import ravel_pytree

from rnnjax.cells import initial_weights
from rnnjax.types import Array


class Backend(Protocol):
    """One flavour of flax cell, as a hashable value."""

    n_x: int

    def init(self, key: Array) -> Any:
        """Draw the cell's own parameters."""
        ...

    def carry(self) -> Any:
        """Return the initial carry."""
        ...

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        ...


class FlaxParams(NamedTuple):
    """Parameters of an adapted cell.

    Attributes:
      cell: the flax cell's own.
      V: readout weights, (n_y, n_s).
      c: readout bias, (n_y,).
    """

    cell: Any
    V: Array
    c: Array


@struct.dataclass
class FromLinen:
    """A linen cell, for instance ``linen.GRUCell(features=64)``."""

    module: linen.Module = struct.field(pytree_node=False)
    n_x: int = struct.field(pytree_node=False)

    def init(self, key: Array) -> Any:
        """Draw the module's parameters."""
        return self.module.init(key, self.carry(), jnp.zeros(self.n_x))["params"]

    def carry(self) -> Any:
        """Return the module's initial carry."""
        return self.module.initialize_carry(jax.random.key(0), (self.n_x,))

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        # linen types it as either an output or (output, variables), by arguments not given here.
        out: Any = self.module.apply({"params": params}, carry, x)
        return out


@struct.dataclass
class FromNNX:
    """An nnx cell class with its sizes and options, for instance ``nnx.LSTMCell, 3, 64``.

    The class and not an object is kept, so that every key can draw parameters of its own and two
    equal adapters share one compiled program.
    """

    cell_class: type = struct.field(pytree_node=False)
    n_x: int = struct.field(pytree_node=False)
    n_units: int = struct.field(pytree_node=False)
    options: tuple[tuple[str, Any], ...] = struct.field(pytree_node=False, default=())

    def _build(self, key: Array) -> nnx.Module:
        options = dict(self.options)
        return self.cell_class(self.n_x, self.n_units, rngs=nnx.Rngs(key), **options)

    def _structure(self) -> tuple[Any, Any]:
        cell = nnx.eval_shape(lambda: self._build(jax.random.key(0)))
        structure, _, *rest = nnx.split(cell, nnx.Param, ...)
        if jax.tree.leaves(rest):
            raise ValueError(
                f"cell_class: expected an nnx cell whose only state is nnx.Param, got "
                f"{self.cell_class.__name__} with other variables"
            )
        return structure, cell

    def init(self, key: Array) -> Any:
        """Draw the cell's parameters, an `nnx.State`."""
        return nnx.state(self._build(key), nnx.Param)

    def carry(self) -> Any:
        """Return the cell's initial carry."""
        return self._structure()[1].initialize_carry((self.n_x,), rngs=nnx.Rngs(0))

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        return nnx.merge(self._structure()[0], params)(carry, x)


@struct.dataclass
class FlaxCell:
    """A flax cell with a flat state and a linear readout.

    Attributes:
      backend: the flax cell.
      n_y: outputs.
    """

    backend: Backend = struct.field(pytree_node=False)
    n_y: int = struct.field(pytree_node=False, default=1)

    @property
    def n_x(self) -> int:
        """Inputs."""
        return self.backend.n_x

    @property
    def n_h(self) -> int:
        """State entries: all of the carry's."""
        return self.initial_state().size

    @property
    def entries_per_unit(self) -> int:
        """Vectors in the carry if they are of one length, each unit having an entry in each."""
        sizes = [leaf.shape for leaf in jax.tree.leaves(self.backend.carry())]
        return len(sizes) if len(set(sizes)) == 1 and len(sizes[0]) == 1 else 1

    def init(self, key: Array) -> FlaxParams:
        """Draw the flax cell's parameters by its own initialisers, and V ~ N(0, 1/n_s)."""
        key_cell, key_readout = jax.random.split(key)
        cell = self.backend.init(key_cell)
        start, stop = self._output_slice(cell)
        (V,) = initial_weights.normals(key_readout, (self.n_y, stop - start))
        return FlaxParams(cell=cell, V=V / (stop - start) ** 0.5, c=jnp.zeros(self.n_y))

    def initial_state(self) -> Array:
        """Return the initial carry, flat, (n_h,)."""
        return ravel_pytree(self.backend.carry())[0]

    def step(self, params: FlaxParams, h: Array, x: Array) -> Array:
        """Return the new carry, flat."""
        carry, _ = self.backend.apply(params.cell, self._unravel()(h), x)
        return ravel_pytree(carry)[0]

    def readout(self, params: FlaxParams, h: Array) -> Array:
        """Return V s + c."""
        start, stop = self._output_slice(params.cell)
        return params.V @ h[start:stop] + params.c

    def _unravel(self) -> Any:
        return ravel_pytree(self.backend.carry())[1]

    def _output_slice(self, params: Any) -> tuple[int, int]:
        """Return where in the flat state the flax cell's output stands.

        It is the leaf of the new carry that is the same variable of the traced program.
        """
        traced = jax.make_jaxpr(self.backend.apply)(
            params, self.backend.carry(), jnp.zeros(self.n_x)
        )
        outvars: list[Any] = traced.jaxpr.outvars
        *carry, output = outvars
        start = 0
        for leaf in carry:
            if leaf is output:
                return start, start + leaf.aval.size
            start += leaf.aval.size
        return 0, start


def from_linen(module: linen.Module, n_x: int, n_y: int = 1) -> FlaxCell:
    """Construct a cell from a linen recurrent cell.

    Args:
      module: any linen cell, for instance ``linen.GRUCell(features=64)``.
      n_x: inputs.
      n_y: outputs of the linear readout.
    """
    return FlaxCell(FromLinen(module, n_x), n_y)


def from_nnx(cell_class: type, n_x: int, n_units: int, n_y: int = 1, **options: Any) -> FlaxCell:
    """Construct a cell from a class of nnx recurrent cells.

    Args:
      cell_class: for instance ``nnx.LSTMCell``; called as ``cell_class(n_x, n_units, rngs=...)``.
      n_x: inputs.
      n_units: units.
      n_y: outputs of the linear readout.
      **options: further arguments of the class.
    """
    return FlaxCell(FromNNX(cell_class, n_x, n_units, tuple(sorted(options.items()))), n_y)
