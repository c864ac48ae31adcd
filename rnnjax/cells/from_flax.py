"""Recurrent cells of flax, linen or nnx, as cells of rnnjax: fresh or trained.

A fresh cell (`FlaxCell`) draws its parameters and has a linear readout of ours. A trained one
(`TrainedCell`) has the parameters, the head and the embedding that it was trained with.
"""

from collections.abc import Callable, Mapping
from typing import Any, overload

from flax import linen, nnx

from rnnjax.cells import flax_modules
from rnnjax.cells.flax_cell import FlaxCell, FlaxParams, FromLinen, FromNNX
from rnnjax.cells.trained import TrainedCell
from rnnjax.cells.trained_checks import refused
from rnnjax.cells.trained_network import network
from rnnjax.cells.trained_parts import TrainedParams

__all__ = ["FlaxCell", "FlaxParams", "TrainedCell", "TrainedParams", "from_linen", "from_nnx"]

_Part = Callable[..., Any] | tuple[Any, Any] | None


@overload
def from_linen(module: linen.Module, n_x: int, n_y: int = 1) -> FlaxCell: ...


@overload
def from_linen(
    module: linen.Module,
    n_x: int | None = None,
    *,
    params: Mapping[str, Any],
    readout: _Part = None,
    embed: _Part = None,
) -> TrainedCell: ...


def from_linen(
    module: linen.Module,
    n_x: int | None = None,
    n_y: int = 1,
    *,
    params: Any = None,
    readout: Any = None,
    embed: Any = None,
) -> FlaxCell | TrainedCell:
    """Construct a cell from a linen recurrent cell, fresh or trained.

    Without `params` the result draws parameters of its own and has a linear readout. With the
    trained variables of the module, the result is the trained network: `cell.trained` are its
    parameters, and so are those of `cell.init`, whatever the key.

    Args:
      module: any linen cell, for instance ``linen.GRUCell(features=64)``.
      n_x: inputs. Of a trained cell they are read off its parameters. Beside an embedding of
        tokens: None for one token a step, x of (T,), or the number of tokens, x of (T, n_x).
      n_y: outputs of the linear readout of a fresh cell.
      params: the trained variables of the module, or their collection "params". Variables of other
        collections are constants.
      readout: the head of the trained network, a map from the output y of the cell: a linen module
        with its variables, (module, variables); an nnx module or a method of one; a function, or
        (function, parameters), called as function(parameters, y). The output itself if None.
      embed: the map from an input to that of the cell, in the same forms. If it takes integers
        alone, as ``linen.Embed`` does, inputs are tokens.

    Raises:
      ValueError: an argument does not fit, or a step would have to update a variable or draw random
        numbers in evaluation mode; the message has one line.

    Example:
      >>> import jax, jax.numpy as jnp, rnnjax
      >>> from flax import linen
      >>> gru, head, table = linen.GRUCell(4), linen.Dense(3), linen.Embed(7, 2)
      >>> key, y = jax.random.key(0), jnp.zeros(4)
      >>> cell = rnnjax.from_linen(  # stands for variables of a training
      ...     gru,
      ...     params=gru.init(key, y, jnp.zeros(2)),
      ...     readout=(head, head.init(key, y)),
      ...     embed=(table, table.init(key, jnp.array(0))),
      ... )
      >>> rnnjax.outputs(cell, cell.trained, jnp.array([6, 0, 2, 2, 1])).shape
      (5, 3)
    """
    flax_modules.check_linen(module)
    if params is None:
        beside = {"readout": readout, "embed": embed}
        for name in [name for name, part in beside.items() if part is not None]:
            raise refused("params", f"the trained variables beside {name}", "None")
        return FlaxCell(FromLinen(module, n_x), n_y)  # type: ignore[arg-type]
    _check_no_n_y(n_y)
    return network((module, params), n_x, readout, embed)


@overload
def from_nnx(
    cell_class: type, n_x: int, n_units: int, n_y: int = 1, **options: Any
) -> FlaxCell: ...


@overload
def from_nnx(
    cell_class: nnx.Module, n_x: int | None = None, *, readout: _Part = None, embed: _Part = None
) -> TrainedCell: ...


def from_nnx(
    cell_class: Any,
    n_x: int | None = None,
    n_units: int | None = None,
    n_y: int = 1,
    **options: Any,
) -> FlaxCell | TrainedCell:
    """Construct a cell from a class of nnx recurrent cells, or from a trained object of one.

    Of a class, the result draws parameters of its own and has a linear readout. Of an object, it is
    the trained network: `cell.trained` are its parameters, and so are those of `cell.init`,
    whatever the key. All other variables of the object are constants, and it is copied in
    evaluation mode: later changes of the object change nothing.

    Args:
      cell_class: a class, for instance ``nnx.LSTMCell``, called as
        ``cell_class(n_x, n_units, rngs=...)``; or an object, for instance ``model.cell``.
      n_x: inputs. Of an object they are read off its `in_features`. Beside an embedding of tokens:
        None for one token a step, x of (T,), or the number of tokens, x of (T, n_x).
      n_units: units; of a class only.
      n_y: outputs of the linear readout; of a class only.
      **options: of a class, further arguments of it. Of an object, `readout` and `embed`, in the
        forms of `from_linen`; weights that two modules share are one parameter.

    Raises:
      ValueError: an argument does not fit, or a step would have to update a variable or draw random
        numbers in evaluation mode; the message has one line.

    Example:
      >>> import jax, jax.numpy as jnp, rnnjax
      >>> from flax import nnx
      >>> rngs = nnx.Rngs(0)  # the modules stand for those of a trained model
      >>> table, gru = nnx.Embed(7, 4, rngs=rngs), nnx.GRUCell(4, 4, rngs=rngs)
      >>> cell = rnnjax.from_nnx(gru, embed=table, readout=table.attend)
      >>> rnnjax.outputs(cell, cell.trained, jnp.array([6, 0, 2, 2, 1])).shape
      (5, 7)
    """
    if not isinstance(cell_class, nnx.Module):
        flax_modules.check_nnx(cell_class, tuple(options.items()))
        backend = FromNNX(cell_class, n_x, n_units, tuple(sorted(options.items())))  # type: ignore[arg-type]
        return FlaxCell(backend, n_y)
    flax_modules.check_nnx_object(cell_class)
    _check_no_n_y(n_y)
    if n_units is not None:
        raise refused("n_units", "none beside an object, which has its size", str(n_units))
    parts = {name: options.pop(name, None) for name in ("readout", "embed")}
    if options:
        expected = "no options of a class beside an object"
        raise refused(next(iter(options)), expected, ", ".join(options))
    return network(cell_class, n_x, **parts)


def _check_no_n_y(n_y: Any) -> None:
    if n_y != 1:
        raise refused("n_y", "none beside a trained cell, whose readout has its size", str(n_y))
