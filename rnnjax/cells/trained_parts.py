"""The parts of a trained network: its cell, its embedding and its head, as hashable values.

A part is a program. Its parameters and constants are arguments, one entry for each part, so that
networks of one architecture share a compiled program and can be stacked. Constants are all other
variables of a module: statistics of normalisation, masks, tables. They are not differentiated.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, traverse_util

from rnnjax import fields
from rnnjax.cells import evaluation, linen_parts
from rnnjax.ranges import Kind
from rnnjax.types import Array

Path = tuple[Any, ...]


class TrainedParams(NamedTuple):
    """Parameters of a trained network; a part without parameters has none in its field.

    Attributes:
      cell: those of the recurrent cell.
      embed: those of the embedding.
      readout: those of the head.
    """

    cell: Any = None
    embed: Any = None
    readout: Any = None

    @staticmethod
    def unit_axis() -> dict[str, int | None]:
        """Return that kernels of flax are (.., inputs, units)."""
        return {"cell": -1, "embed": -1, "readout": -1}


class Part(Protocol):
    """A part of a network, as a hashable value."""

    def __hash__(self) -> int: ...

    def apply(self, params: Any, constants: Any, *at: Any) -> Any:
        """Return the result of the part.

        Args:
          params: those of the whole network, `TrainedParams`.
          constants: the same for constants.
          *at: the arguments of the module.
        """
        ...


class Whole(NamedTuple):
    """An integer, boolean or key array that is part of the program, as a hashable value.

    Attributes:
      path: its place in the tree of constants.
      dtype: its dtype; None for a key, whose value no step of an admitted network reads.
      shape: its shape.
      data: its bytes.
    """

    path: Path
    dtype: str | None
    shape: tuple[int, ...]
    data: bytes

    def array(self) -> Array:
        """Return the array."""
        if self.dtype is None:
            return jnp.broadcast_to(jax.random.key(0), self.shape)
        return jnp.asarray(np.frombuffer(self.data, self.dtype).reshape(self.shape))


def divided(tree: Any) -> tuple[Any, tuple[Whole, ...]]:
    """Return the floating point arrays of a nested dict of constants, and all others by path.

    Raises:
      ValueError: an array that becomes part of the program is traced.
    """
    leaves = traverse_util.flatten_dict(tree)
    data = {path: jnp.asarray(leaf) for path, leaf in leaves.items() if _is_inexact(leaf)}
    others = {path: leaf for path, leaf in leaves.items() if path not in data}
    return traverse_util.unflatten_dict(data), tuple(_whole(p, a) for p, a in others.items())


def united(data: Any, others: tuple[Whole, ...]) -> Any:
    """Return the nested dict that was `divided`."""
    leaves = traverse_util.flatten_dict(data or {})
    wholes = {whole.path: whole.array() for whole in others}
    return traverse_util.unflatten_dict(leaves | wholes)


def _is_inexact(leaf: Any) -> bool:
    dtype: Any = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    return jnp.issubdtype(dtype, jnp.inexact)


def _whole(path: Path, leaf: Any) -> Whole:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return Whole(path, None, leaf.shape, b"")
    if isinstance(leaf, jax.core.Tracer):
        name = ".".join(map(str, path))
        raise ValueError(f"{name}: expected integers that are known, got traced ones")
    known = np.asarray(leaf)
    return Whole(path, known.dtype.str, known.shape, known.tobytes())


_ANY = Kind(lambda value: True, "anything")


@fields.value
class LinenPart:
    """A linen module in evaluation mode.

    Attributes:
      module: the module.
      slot: the name of its field in `TrainedParams`.
      fixed: its constants that are part of the program.
    """

    module: linen.Module = fields.declared(_ANY, static=True)
    slot: str = fields.declared(_ANY, static=True)
    fixed: tuple[Whole, ...] = fields.declared(_ANY, default=(), static=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is unpickled, see `linen_parts`."""
        return _linen_again, (linen_parts.taken_apart(self.module), self.slot, self.fixed)

    def variables(self, params: Any, constants: Any) -> dict[str, Any]:
        """Return the variables of the module."""
        own = united(getattr(constants, self.slot), self.fixed)
        return {"params": getattr(params, self.slot), **own}

    def apply(self, params: Any, constants: Any, *at: Any) -> Any:
        """See `Part`."""
        module: Any = self.module
        return module.apply(self.variables(params, constants), *at, **self._switches())

    def carry(self, params: Any, constants: Any, shape: tuple[int, ...]) -> Any:
        """Return the initial carry for inputs of a shape, as `linen.RNN` draws it."""
        module: Any = self.module
        return module.initialize_carry(jax.random.key(0), shape)

    def draw(self, value: Array) -> Any:
        """Return the variables that the module itself draws for an input, or for an output y."""
        module: Any = self.module
        is_cell = hasattr(module, "initialize_carry")
        at = (self.carry({}, {}, value.shape), value) if is_cell else (value,)
        return module.init(jax.random.key(0), *at, **self._switches())

    def _switches(self) -> dict[str, bool]:
        return evaluation.switches_of_call(type(self.module).__call__)


def _linen_again(parts: linen_parts.Parts, slot: str, fixed: tuple[Whole, ...]) -> LinenPart:
    return LinenPart(linen_parts.made(parts), slot, fixed)


@fields.value
class FunctionPart:
    """A function, with or without parameters.

    Attributes:
      function: (params, value) -> result, or value -> result.
      slot: the name of the field of its parameters in `TrainedParams`.
      takes_params: which of the two.
    """

    function: Callable[..., Any] = fields.function(form="([params,] value) -> result")
    slot: str = fields.declared(_ANY, static=True)
    takes_params: bool = fields.flag()

    def apply(self, params: Any, constants: Any, *at: Any) -> Any:
        """See `Part`."""
        own = (getattr(params, self.slot),) if self.takes_params else ()
        return self.function(*own, *at)


def plain_dict(variables: Any) -> Any:
    """Return nested dicts of arrays in place of frozen ones, without metadata of partitioning."""
    unboxed = linen.meta.unbox(variables)
    return _unfrozen(unboxed)


def _unfrozen(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {name: _unfrozen(part) for name, part in tree.items()}
    return tree
