"""Recurrent layers of Keras from their weights.

Kernels of Keras are (inputs, units). Gates are stacked i, f, c, o in an LSTM, which is the order
here, and z, r, h in a GRU, where it is r, z, n. In both z keeps the state. A GRU with
``reset_after=True`` has two biases, (2, 3 n), the second of which acts with the recurrent kernel:

  b = [b_r + b'_r, b_z + b'_z, b_h],  b_n = b'_h                                 (1)

One with ``reset_after=False`` multiplies the state by the reset gate before the product and is a
`rnnjax.ResetBeforeGRU`.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.activations import Activation
from rnnjax.errors import one_line, shown
from rnnjax.importers import files, keras_paths, network
from rnnjax.importers.network import Part, Weights
from rnnjax.ranges import Flag

_NAMES = ("kernel", "recurrent_kernel", "bias")
_KINDS = {1: "SimpleRNN", 3: "GRU", 4: "LSTM"}


class _Options(NamedTuple):
    activation: Activation | None
    reset_after: bool | None


def from_keras(
    weights: Mapping[str, Any] | Sequence[Any] | str | os.PathLike[str],
    *,
    layers: Sequence[str] | None = None,
    readout: str | None = None,
    activation: Activation | None = None,
    reset_after: bool | None = None,
) -> tuple[Any, Any]:
    """Construct cell and parameters from the weights of SimpleRNN, LSTM or GRU layers.

    Layers follow one another with ``return_sequences=True`` and nothing between them that changes a
    value; a Bidirectional one concatenates. Activations of gated layers are those that are Keras'
    default: the weights do not tell. The dtype is that of the weights (half precision becomes
    float32, and JAX reads float64 as float32 unless x64 is enabled).

    Args:
      weights: arrays by path, ``{w.path: w.numpy() for w in model.weights}``, the path of a
        ``.safetensors`` or ``.npz`` file of them, or the list ``layer.get_weights()`` of one layer
        that reads forward.
      layers: the names of the recurrent layers in their order, as parts of the paths; found if
        there is one. One named ``forward_...`` or ``backward_...`` that is no part of a
        Bidirectional layer has to be named.
      readout: the name of a Dense layer that reads the last layer; the identity if None, so that
        outputs are those of the last layer.
      activation: that of SimpleRNN, for instance ``rnnjax.activations.tanh``.
      reset_after: that of a GRU without bias; the bias tells it otherwise.

    Returns:
      the cell (a single one, a `rnnjax.Stack`, or a `rnnjax.Bidirectional`) and its parameters.

    Raises:
      ValueError: the weights are not those of such layers.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> arrays = [rng.normal(size=shape) for shape in ((2, 12), (3, 12), (12,))]
      >>> cell, params = from_keras(arrays)
      >>> cell.n_units, params.W.shape
      (3, (12, 3))
    """
    options = _Options(activation, None if reset_after is None else _flag(reset_after))
    given = _listed(weights) if isinstance(weights, list | tuple) else _by_path(weights)
    chosen = keras_paths.chosen(given, layers)
    found: list[list[Part]] = [[] for _ in chosen[0]]
    n_x: int | None = None
    for paths in chosen:
        for parts, path in zip(found, paths, strict=True):
            parts.append(_part(given, path, n_x, options))
            n_x = n_x or parts[0].cell.n_x
        n_x = sum(parts[-1].n_out for parts in found)
    kinds = {type(part.cell).__name__ for parts in found for part in parts}
    _require_use(options, kinds)
    forward, backward = found[0], found[1] if len(found) > 1 else []
    return network.assembled(forward, backward, _head(given, readout, forward, backward))


def _flag(value: Any) -> bool:
    checked: bool = Flag().checked("reset_after", value)
    return checked


def _listed(weights: Sequence[Any]) -> dict[str, Any]:
    """Return the list of `layer.get_weights()` by name."""
    if len(weights) not in (2, 3):
        message = "the 2 or 3 arrays of one layer that reads forward, or a dict by path"
        raise ValueError(f"weights: expected {message}, got {len(weights)} in a list")
    return dict(zip(_NAMES, weights, strict=False))


def _by_path(weights: Any) -> dict[str, Any]:
    given = files.named(weights)
    named = {name.removesuffix(":0"): value for name, value in given.items()}
    if len(named) < len(given):
        twice = [name for name in given if f"{name}:0" in given]
        raise ValueError(f"weights: expected one array a path, got two of {files.listed(twice)}")
    return named


def _part(weights: Mapping[str, Any], path: str, n_x: int | None, options: _Options) -> Part:
    """Return one layer in one direction."""
    _require_known(weights, path)
    name = f"{path}recurrent_kernel"
    n, columns = files.array(weights, name, (None, None)).shape
    m = next((m for m in _KINDS if columns == m * n), None)
    if m is None:
        message = f"expected shape (n, n), (n, 3 n) or (n, 4 n), got {(n, columns)}"
        raise ValueError(f"{one_line(name, 80)}: {message}")
    W = files.array(weights, name).T
    U = files.array(weights, f"{path}kernel", (n_x, columns)).T
    if m == 3:
        return _gru(weights, path, W, U, options)
    b = _bias(weights, path, (columns,))
    both = Weights(W, U, np.zeros(columns, W.dtype) if b is None else b)
    if m == 4:
        return network.lstm(both)
    f = network.checked_activation("activation", options.activation, "SimpleRNN", needed=True)
    return network.vanilla(both, f)


@np.errstate(over="ignore")  # of a sum of biases, which `network.assembled` refuses
def _gru(
    weights: Mapping[str, Any], path: str, W: np.ndarray, U: np.ndarray, options: _Options
) -> Part:
    n, rows = W.shape[1], len(W)
    bias = _bias(weights, path, (rows,), (2, rows))
    behind = options.reset_after
    if bias is not None:
        by_shape = bias.ndim == 2
        if behind is not None and behind != by_shape:
            raise ValueError(
                f"reset_after: expected {by_shape} by the shape of the bias, got {behind}"
            )
        behind = by_shape
    if behind is None:
        expected = "True or False for a GRU without bias, whose weights do not tell"
        raise ValueError(f"reset_after: expected {expected}, got None")
    b, b_h = np.zeros((2, rows), W.dtype) if bias is None else np.broadcast_to(bias, (2, rows))
    # z, r, h of Keras are z, r, n here, in the order r, z, n.
    W, U, b, b_h = (np.concatenate([a[n : 2 * n], a[:n], a[2 * n :]]) for a in (W, U, b, b_h))
    if not behind:
        return network.reset_before_gru(Weights(W, U, b))
    b = np.concatenate([b[: 2 * n] + b_h[: 2 * n], b[2 * n :]])
    return network.gru(Weights(W, U, b), b_h[2 * n :])


def _bias(weights: Mapping[str, Any], path: str, *shapes: tuple[int, ...]) -> np.ndarray | None:
    name = f"{path}bias"
    return files.array(weights, name, *shapes) if name in weights else None


def _require_known(weights: Mapping[str, Any], path: str) -> None:
    """Refuse arrays that stand beside those of a cell, as of a layer of another kind."""
    beside = [name for name in weights if name.startswith(path) and "/" not in name[len(path) :]]
    unknown = [name for name in beside if name[len(path) :] not in _NAMES]
    if unknown:
        message = f"expected no array beside {', '.join(_NAMES)}"
        raise ValueError(f"weights: {message}, got {files.listed(unknown)}")


def _require_use(options: _Options, kinds: set[str]) -> None:
    """Refuse options that no layer takes."""
    kind = ", ".join(sorted(kinds))
    if "Vanilla" not in kinds:
        network.checked_activation("activation", options.activation, kind, needed=False)
    if options.reset_after is not None and not kinds & {"GRU", "ResetBeforeGRU"}:
        raise ValueError(f"reset_after: expected None for {kind}, got {options.reset_after}")


def _head(
    weights: Mapping[str, Any],
    readout: str | None,
    forward: Sequence[Part],
    backward: Sequence[Part],
) -> network.Head | None:
    if readout is None:
        return None
    kernels = [name for name in weights if name.endswith("/kernel") or name == "kernel"]
    dense = [name.removesuffix("kernel") for name in kernels if not _is_beside(weights, name)]
    found = [
        path
        for path in dense
        if isinstance(readout, str) and f"/{readout.strip('/')}/" in f"/{path}"
    ]
    if len(found) != 1:
        there = keras_paths.listed(path.removesuffix("/") for path in dense) or "no layer"
        raise ValueError(f"readout: expected the name of one of {there}, got {shown(readout)}")
    n_s = network.sent(forward, backward)
    names = (f"{found[0]}kernel", f"{found[0]}bias")
    return network.head(weights, *names, n_s, transposed=True)


def _is_beside(weights: Mapping[str, Any], name: str) -> bool:
    return f"{name.removesuffix('kernel')}recurrent_kernel" in weights
