"""Cells and initial recurrent weights by name, as configs write them."""

from collections.abc import Callable
from typing import Any

from rnnjax import names
from rnnjax.activations import activation_named
from rnnjax.types import Array, Cell

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
