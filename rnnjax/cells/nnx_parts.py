"""The parts of an nnx network, as one graph.

A module may be used in two places (the table of an embedding as the weights of the head). Cell,
embedding and head are therefore split together, and such weights are one parameter, under the name
of the first part that uses them.
"""

import io
import pickle
from typing import Any, NamedTuple

import jax
from flax import nnx

from rnnjax import fields, pickles
from rnnjax.cells import evaluation
from rnnjax.cells.trained_parts import TrainedParams, Whole, divided, united
from rnnjax.ranges import Kind, refusal

_ANY = Kind(lambda value: True, "anything")


class Network(nnx.Module):
    """The parts of a network under their names."""

    def __init__(self, **parts: nnx.Module) -> None:
        for name, part in parts.items():
            setattr(self, name, part)


class Graph(NamedTuple):
    """A network without its arrays.

    Attributes:
      definition: the `nnx.GraphDef` of a `Network` in evaluation mode.
      fixed: its variables that are part of the program.
    """

    definition: Any
    fixed: tuple[Whole, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is unpickled: of bytes, since a `GraphDef` needs its own pickler."""
        return _graph_again, (_pickled(self.definition), self.fixed)

    def network(self, params: Any, constants: Any) -> Any:
        """Return the network with arrays."""
        others = united(_of_modules(constants), self.fixed)
        return nnx.merge(self.definition, nnx.State(_of_modules(params)), nnx.State(others))


def split(parts: dict[str, nnx.Module]) -> tuple[Graph, TrainedParams, TrainedParams]:
    """Return the graph of a network in evaluation mode, its parameters and its constants.

    Args:
      parts: its modules by their names in `TrainedParams`.

    Raises:
      ValueError: the network has an attribute without hash.
    """
    network = evaluation.of_nnx(Network(**parts))
    # flax types it as (definition, state, *states).
    divide: Any = nnx.split
    definition, params, others = divide(network, nnx.Param, ...)
    try:
        hash(definition)
    except TypeError as error:
        expected = "a cell whose attributes that are no arrays have a hash"
        raise refusal("module", expected, error, shown_by=str) from None
    constants, fixed = divided(nnx.to_pure_dict(others))
    return Graph(definition, fixed), _by_part(nnx.to_pure_dict(params)), _by_part(constants)


def _of_modules(arrays: TrainedParams) -> dict[str, Any]:
    """Return the arrays of the parts that have any by name."""
    return {slot: tree for slot, tree in arrays._asdict().items() if jax.tree.leaves(tree)}


def _by_part(tree: dict[str, Any]) -> TrainedParams:
    arrays = jax.tree.map(jax.numpy.asarray, tree)
    return TrainedParams(**arrays)


@fields.value
class NNXPart:
    """A part of an nnx network.

    Attributes:
      graph: the network.
      slot: the name of the part.
      method: the name of its method.
    """

    graph: Graph = fields.declared(_ANY, static=True)
    slot: str = fields.declared(_ANY, static=True)
    method: str = fields.declared(_ANY, default="__call__", static=True)

    def apply(self, params: Any, constants: Any, *at: Any) -> Any:
        """See `trained_parts.Part`."""
        return self._call(self.graph.network(params, constants), *at)

    def written(self, params: Any, constants: Any, *at: Any) -> list[str]:
        """Return the names of the variables to which the part assigns, while it is traced."""
        network = self.graph.network(params, constants)
        before = _variables(network)
        self._call(network, *at)
        after = _variables(network)
        return [name for name, value in after.items() if value is not before.get(name)]

    def carry(self, params: Any, constants: Any, shape: tuple[int, ...]) -> Any:
        """Return the initial carry for inputs of a shape, as `nnx.RNN` draws it."""
        cell = self.graph.network(params, constants).cell
        return cell.initialize_carry(shape, nnx.RngStream(0, tag="carry"))

    def _call(self, network: Any, *at: Any) -> Any:
        method = getattr(getattr(network, self.slot), self.method)
        return method(*at, **evaluation.switches_of_call(method))


def _variables(network: nnx.Module) -> dict[str, Any]:
    """Return the values of all variables by name."""
    pure = nnx.to_pure_dict(nnx.state(network))
    found, _ = jax.tree_util.tree_flatten_with_path(pure)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in found}


class _Pickler(pickle.Pickler):
    """Pickles tree structures by a tree that has them, and functions wrapped by JAX by name."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, jax.tree_util.PyTreeDef):
            return jax.tree.structure, (jax.tree.unflatten(value, range(value.num_leaves)),)
        packed = value if type(value) is tuple else pickles.packed(value)
        if isinstance(packed, pickles.Name) and not isinstance(value, pickles.Name):
            return pickles.unpacked, (packed,)
        return NotImplemented


def _pickled(definition: Any) -> bytes:
    out = io.BytesIO()
    _Pickler(out).dump(definition)
    return out.getvalue()


def _graph_again(data: bytes, fixed: tuple[Whole, ...]) -> Graph:
    return Graph(pickle.loads(data), fixed)
