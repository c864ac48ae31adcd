"""Any recurrent cell of flax, linen or nnx, as a cell of rnnjax.

A flax cell maps (carry, x) to (carry, y). Its carry, whatever tree it is, becomes one flat state
vector; the readout is linear, y_hat = V s + c, where s is the part of the state that the flax cell
returns as its output (h of an LSTM, not c), or the whole state where the output is no part of it.
"""

import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from jax.flatten_util import ravel_pytree

from rnnjax import fields
from rnnjax.cells import carried_units, flax_modules, initial_weights, linen_parts
from rnnjax.compiling import run_once
from rnnjax.dynamics import Traits
from rnnjax.every_branch import every_branch
from rnnjax.matvec import matvec
from rnnjax.ranges import KEY, Kind, arguments
from rnnjax.types import Array


class Backend(Protocol):
    """One flavour of flax cell, as a hashable value."""

    @property
    def n_x(self) -> int:
        """Inputs."""
        ...

    def __hash__(self) -> int: ...

    def init(self, key: Array) -> Any:
        """Draw the cell's own parameters."""
        ...

    def carry(self) -> Any:
        """Return the initial carry."""
        ...

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        ...


_ANY = Kind(lambda value: True, "anything")
_OPTIONS = Kind(lambda value: isinstance(value, tuple), "pairs in a tuple", static=False)
_BACKEND = Kind(
    lambda value: (
        not isinstance(value, type)
        and all(hasattr(value, name) for name in ("n_x", "init", "carry", "apply"))
    ),
    "what from_linen or from_nnx puts there",
)


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

    @staticmethod
    def unit_axis() -> dict[str, int | None]:
        """Return that kernels of flax are (.., inputs, units)."""
        return {"cell": -1}


@fields.dataclass
class FromLinen:
    """A linen cell, for instance ``linen.GRUCell(features=64)``."""

    module: linen.Module = fields.declared(_ANY, static=True)
    n_x: int = fields.count()

    def __post_init__(self) -> None:
        flax_modules.check_linen(self.module)
        flax_modules.check_linen_shapes(self.module, self.n_x)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is unpickled: a module is made again of what differs from its defaults."""
        return _linen_again, (linen_parts.taken_apart(self.module), self.n_x)

    def init(self, key: Array) -> Any:
        """Draw the module's parameters."""
        drawn = self.module.init(key, self.carry(), jnp.zeros(self.n_x))
        return drawn.get("params", {})

    def carry(self) -> Any:
        """Return the module's initial carry."""
        return self.module.initialize_carry(jax.random.key(0), (self.n_x,))

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        # linen types it as either an output or (output, variables), by arguments not given here.
        out: Any = self.module.apply({"params": params}, carry, x)
        return out


@fields.dataclass
class FromNNX:
    """An nnx cell class with its sizes and options, for instance ``nnx.LSTMCell, 3, 64``.

    The class and not an object is kept, so that every key can draw parameters of its own and two
    equal adapters share one compiled program.
    """

    cell_class: type = fields.declared(_ANY, static=True)
    n_x: int = fields.count()
    n_units: int = fields.count()
    options: tuple[tuple[str, Any], ...] = fields.declared(_OPTIONS, default=(), static=True)

    def __post_init__(self) -> None:
        flax_modules.check_nnx(self.cell_class, self.options)
        _check_nnx_shapes(self)

    def build(self, key: Array) -> nnx.Module:
        """Return a cell with parameters drawn from a key."""
        options = dict(self.options)
        return self.cell_class(self.n_x, self.n_units, rngs=nnx.Rngs(key), **options)

    def _structure(self) -> tuple[Any, Any]:
        cell = nnx.eval_shape(lambda: self.build(jax.random.key(0)))
        return nnx.split(cell, nnx.Param, ...)[0], cell

    def init(self, key: Array) -> Any:
        """Draw the cell's parameters, an `nnx.State`."""
        return nnx.state(self.build(key), nnx.Param)

    def carry(self) -> Any:
        """Return the cell's initial carry."""
        return self._structure()[1].initialize_carry((self.n_x,), rngs=nnx.Rngs(0))

    def apply(self, params: Any, carry: Any, x: Array) -> tuple[Any, Array]:
        """Return (carry, y)."""
        return nnx.merge(self._structure()[0], params)(carry, x)


@fields.dataclass
class FlaxCell:
    """A flax cell with a flat state and a linear readout.

    Attributes:
      backend: the flax cell.
      n_y: outputs.
    """

    backend: Backend = fields.declared(_BACKEND, static=True)
    n_y: int = fields.count(default=1)

    @property
    def n_x(self) -> int:
        """Inputs."""
        return self.backend.n_x

    @property
    def n_h(self) -> int:
        """State entries: all of the carry's."""
        return self.initial_state().size

    @property
    def traits(self) -> Traits:
        """Entries of the carry that a unit has, None where not all have as many."""
        return Traits(entries_per_unit=_layout(self.backend).entries_per_unit)

    @arguments(key=KEY)
    def init(self, key: Array) -> FlaxParams:
        """Draw the flax cell's parameters by its own initialisers, and V ~ N(0, 1/n_s)."""
        key_cell, key_readout = jax.random.split(key)
        cell = self.backend.init(key_cell)
        start, stop = self._output_slice(cell)
        (V,) = initial_weights.normals(key_readout, (self.n_y, stop - start))
        return FlaxParams(cell=cell, V=V / (stop - start) ** 0.5, c=jnp.zeros(self.n_y))

    def initial_state(self) -> Array:
        """Return the initial carry, flat, (n_h,)."""
        return self._raveled(self.backend.carry())

    def step(self, params: FlaxParams, h: Array, x: Array) -> Array:
        """Return the new carry, flat."""
        carry, _ = self.backend.apply(params.cell, self._carry(h), x)
        return self._raveled(carry)

    def readout(self, params: FlaxParams, h: Array) -> Array:
        """Return V s + c."""
        return matvec(params.V, self.output(params, h)) + params.c

    def output(self, params: FlaxParams, h: Array) -> Array:
        """Return s, what a layer sends on to the next one."""
        start, stop = self._output_slice(params.cell)
        return h[start:stop]

    def _raveled(self, carry: Any) -> Array:
        leaves = jax.tree.leaves(carry)
        return ravel_pytree([leaves[i] for i in _layout(self.backend).order])[0]

    def _carry(self, h: Array) -> Any:
        leaves, structure = jax.tree.flatten(self.backend.carry())
        order = _layout(self.backend).order
        ordered = ravel_pytree([leaves[i] for i in order])[1](h)
        by_number = dict(zip(order, ordered, strict=True))
        return jax.tree.unflatten(structure, [by_number[i] for i in range(len(leaves))])

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
        for leaf in (carry[i] for i in _layout(self.backend).order):
            if leaf is output:
                return start, start + leaf.aval.size
            start += leaf.aval.size
        return 0, start


@functools.lru_cache(maxsize=64)
def _layout(backend: Backend) -> carried_units.Layout:
    """Return the layout of the carry, read off a step with small positive numbers."""

    def step(flat: Array, params: Any, carry: Any, x: Array) -> Array:
        return ravel_pytree(backend.apply(params, ravel_pytree(carry)[1](flat), x)[0])[0]

    def small(like: Any) -> Array:
        return jnp.asarray(generator.uniform(0.05, 0.1, like.shape), like.dtype)

    generator = np.random.default_rng(0)
    with jax.ensure_compile_time_eval():
        params = jax.tree.map(small, jax.eval_shape(backend.init, jax.random.key(0)))
        carry = jax.tree.map(small, jax.eval_shape(backend.carry))
        flat, x = ravel_pytree(carry)[0], jnp.full(backend.n_x, 0.07)
        J = run_once(jax.jacrev(every_branch(step)), flat, params, carry, x)
        shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(carry)]
        return carried_units.layout(np.asarray(J) != 0, shapes)


@functools.lru_cache(maxsize=64)
def _check_nnx_shapes(backend: FromNNX) -> None:
    flax_modules.check_nnx_shapes(backend.build, backend.cell_class, backend.n_x)


def _linen_again(parts: linen_parts.Parts, n_x: int) -> FromLinen:
    return FromLinen(linen_parts.made(parts), n_x)
