"""A network of rnnjax from imported layers: a single cell, a stack, or one of both directions.

Without a head the readout is the identity, so that outputs are what the last layer sends on: the
hidden states h_t that torch and Keras return as the output of a recurrent layer.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.activations import Activation
from rnnjax.bidirectional import Bidirectional, BidirectionalParams
from rnnjax.cells import (
    GRU,
    LSTM,
    GatedParams,
    GRUParams,
    ProjectedLSTM,
    ProjectedParams,
    ResetBeforeGRU,
    Stack,
    StackParams,
    Vanilla,
    VanillaParams,
)
from rnnjax.errors import shown
from rnnjax.importers import files


class Part(NamedTuple):
    """One layer in one direction; its own readout is still missing.

    Attributes:
      cell: the cell.
      params: its parameters, with None for those of its readout.
      n_out: how many numbers it sends on.
    """

    cell: Any
    params: Any
    n_out: int


class Head(NamedTuple):
    """y = V s + c with s (n_s,) from the last layer: V (n_y, n_s), c (n_y,)."""

    V: np.ndarray
    c: np.ndarray


class Weights(NamedTuple):
    """The arrays of one layer in the layout of rnnjax.

    Attributes:
      W: recurrent weights, (m n, n_out).
      U: input weights, (m n, n_x).
      b: biases, (m n,).
    """

    W: np.ndarray
    U: np.ndarray
    b: np.ndarray


def vanilla(weights: Weights, activation: Activation) -> Part:
    """Return a vanilla layer."""
    n, n_x = weights.U.shape
    return Part(Vanilla(n_x, n, activation=activation), VanillaParams(*weights, None, None), n)  # type: ignore[arg-type]


def lstm(weights: Weights) -> Part:
    """Return an LSTM layer; gates i, f, g, o."""
    n = len(weights.b) // 4
    return Part(LSTM(weights.U.shape[1], n), GatedParams(*weights, None, None), n)  # type: ignore[arg-type]


def projected_lstm(weights: Weights, R: np.ndarray) -> Part:
    """Return a projected LSTM layer; gates i, f, g, o."""
    p, n = R.shape
    cell = ProjectedLSTM(weights.U.shape[1], n, p)
    return Part(cell, ProjectedParams(*weights, R, None, None), p)  # type: ignore[arg-type]


def gru(weights: Weights, b_n: np.ndarray) -> Part:
    """Return a GRU layer that resets behind the product; gates r, z, n."""
    n = len(b_n)
    params = GRUParams(*weights, None, None, b_n)  # type: ignore[arg-type]
    return Part(GRU(weights.U.shape[1], n), params, n)


def reset_before_gru(weights: Weights) -> Part:
    """Return a GRU layer that resets before the product; gates r, z, n."""
    n = len(weights.b) // 3
    params = GatedParams(*weights, None, None)  # type: ignore[arg-type]
    return Part(ResetBeforeGRU(weights.U.shape[1], n), params, n)


def assembled(
    forward: Sequence[Part], backward: Sequence[Part], head: Head | None
) -> tuple[Any, Any]:
    """Return cell and parameters of a network, all arrays in one dtype.

    Args:
      forward: its layers, first layer first.
      backward: those that read backward, empty if there are none.
      head: its readout; the identity if None.

    Raises:
      ValueError: the dtype does not hold a weight, or the sum of two biases.
    """
    n_s = sent(forward, backward)
    V, c = head or Head(np.eye(n_s), np.zeros(n_s))
    n_y = len(c)
    dtype = jnp.result_type(*jax.tree.leaves([part.params for part in (*forward, *backward)]))
    cells = [tuple(part.cell for part in parts) for parts in (forward, backward)]
    layers = [tuple(part.params for part in parts) for parts in (forward, backward)]
    cell: Any
    params: Any
    if backward:
        cell = Bidirectional(cells[0], cells[1], n_y)
        params = BidirectionalParams(layers[0], layers[1], V, c)  # type: ignore[arg-type]
    elif len(forward) > 1:
        cell, params = Stack(cells[0], n_y), StackParams(layers[0], V, c)  # type: ignore[arg-type]
    else:
        (part,) = forward
        cell, params = part.cell.replace(n_y=n_y), part.params._replace(V=V, c=c)
    return cell, jax.tree.map(lambda leaf: _held(leaf, dtype), params)


def _held(weights: np.ndarray, dtype: Any) -> jax.Array:
    """Return weights in a dtype that holds them."""
    with np.errstate(over="ignore"):
        found = weights.astype(dtype)
    lost = ~np.isfinite(found)
    if np.any(lost):
        message = f"numbers, and sums of two biases, that {dtype} holds"
        raise ValueError(f"weights: expected {message}, got {weights[lost][0]:g}")
    return jnp.asarray(found)


def sent(forward: Sequence[Part], backward: Sequence[Part]) -> int:
    """Return n_s, how many numbers the last layer sends on in both directions."""
    return forward[-1].n_out + (backward[-1].n_out if backward else 0)


def head(weights: Mapping[str, Any], kernel: str, bias: str, n_s: int, *, transposed: bool) -> Head:
    """Return the readout made of a dense layer.

    Args:
      weights: arrays by name.
      kernel: the name of its weights, (n_y, n_s), or (n_s, n_y) if transposed.
      bias: the name of its bias, which may be missing.
      n_s: its inputs.
      transposed: see `kernel`.

    Raises:
      ValueError: an array is missing or does not fit.
    """
    shape = (n_s, None) if transposed else (None, n_s)
    V = files.array(weights, kernel, shape)
    V = V.T if transposed else V
    c = files.array(weights, bias, (len(V),)) if bias in weights else np.zeros(len(V), V.dtype)
    return Head(V, c)


def checked_activation(name: str, given: Any, kind: str, *, needed: bool) -> Any:
    """Return the activation of a plain layer, which its weights do not tell.

    Raises:
      ValueError: it is missing, or given for a gated layer.
    """
    if needed and not isinstance(given, Activation):
        message = f"rnnjax.activations.tanh or another one, as the weights of {kind} do not tell"
        raise ValueError(f"{name}: expected {message}, got {shown(given)}")
    if not needed and given is not None:
        raise ValueError(f"{name}: expected None for {kind}, got {shown(given)}")
    return given
