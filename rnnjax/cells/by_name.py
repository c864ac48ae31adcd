"""Cells and initial recurrent weights by name, as configs write them."""

from collections.abc import Callable
from typing import Any

import jax

from rnnjax import catalog, names
from rnnjax.activations import activation_named
from rnnjax.dynamics import traits
from rnnjax.ranges import COUNT, arguments, refusal
from rnnjax.types import Array, Cell

_SIZES = ("n_units", "n_h", "n_hidden")
Weights = Callable[[Array, int], Array]


def named(text: str, /, **fields: Any) -> Cell:
    """Construct the cell that a text names, such as ``"Vanilla(activation=relu)"``.

    Args:
      text: the name of a class of `rnnjax.cells`, with values of its fields; see `rnnjax.names`.
        Words in it are activations and initial weights.
      **fields: values of further fields, such as the sizes.

    Returns:
      the cell.

    Raises:
      ValueError: there is no such cell or field, or a value is out of its range.

    Example:
      >>> named("LSTM(forget_bias=2.0)", n_x=2, n_cells=3).forget_bias
      2.0
    """
    cell: Cell = names.built("cells", text, fields, meaning=_meaning)
    return cell


@arguments(n_entries=COUNT)
def of_size(text: str, n_entries: int, **fields: Any) -> Cell:
    """Construct the largest cell of its kind whose steps read at most so many state entries.

    Cells whose units have several entries, or whose state is a matrix, can so be compared. What
    stands in the state for the readout alone does not count, nor does the stabiliser of an sLSTM; a
    complex entry counts once, though it carries two numbers.

    Args:
      text: as in `named`.
      n_entries: entries, at most.
      **fields: values of further fields.

    Raises:
      ValueError: as in `named`, or the smallest cell is larger.

    Example:
      >>> of_size("LSTM", 25, n_x=2).n_h, of_size("MLSTM", 25, n_x=2).n_units
      (24, 4)
    """
    sizes = [name for name in _SIZES if name in catalog.entries("cells")[_name(text)].fields]
    if not sizes:
        raise refusal("text", f"a cell with one of the sizes {', '.join(_SIZES)}", text)
    size, found = sizes[0], None
    for n in range(1, n_entries + 1):  # a unit has at least one entry
        cell = named(text, **{size: n}, **fields)
        if jax.eval_shape(cell.initial_state).size - traits(cell).n_unread > n_entries:
            break
        found = cell
    if found is None:
        raise refusal("n_entries", f"at least the entries of one unit of {text}", n_entries)
    return found


def _name(text: str) -> str:
    return names.checked("cells", text).partition("(")[0]


def _meaning(field: str, word: str) -> Any:
    return activation_named(word) if field == "activation" else weights_named(word)


def weights_named(text: str, /) -> Weights:
    """Return the initial recurrent weights that a text names, (key, n) -> (n, n).

    Args:
      text: the name of a function or class of `rnnjax.cells.initial_weights`, with values of its
        fields, such as ``"SparseRescaled(radius=0.9)"``.

    Raises:
      ValueError: there are no such weights or field, or a value is out of its range.

    Example:
      >>> weights_named("identity")(None, 2).shape
      (2, 2)
    """
    weights: Weights = names.built("weights", text, {})
    return weights
