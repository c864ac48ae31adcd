"""Recurrent modules of PyTorch from their state dict.

Gates are stacked as here: i, f, g, o in an LSTM and r, z, n in a GRU, and W = weight_hh,
U = weight_ih. torch has two biases:

  LSTM, RNN:  b = bias_ih + bias_hh                                              (1)
  GRU:        b = [b_ir + b_hr, b_iz + b_hz, b_in],  b_n = b_hn                  (2)

as b_hn stands inside the product with the reset gate, n = tanh(W_in x + b_in + r (W_hn h + b_hn)).
In torch and here z keeps the state: h' = (1 - z) n + z h. `batch_first` and `dropout` are about
data and training and leave no trace in the weights.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnjax.activations import Activation
from rnnjax.errors import one_line, shown
from rnnjax.importers import files, network
from rnnjax.importers.network import Part, Weights

_KEY = re.compile(
    r"(?P<prefix>(?:.*\.)?)(?P<name>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?P<layer>_l(?P<number>\d+)(?P<reverse>_reverse)?)?"
)
_KINDS = {1: "nn.RNN", 3: "nn.GRU", 4: "nn.LSTM"}


class _Place(NamedTuple):
    """Where the arrays of one layer in one direction are: ``{prefix}weight_ih{suffix}``."""

    prefix: str
    suffix: str

    def key(self, name: str) -> str:
        return f"{self.prefix}{name}{self.suffix}"


def from_torch(
    weights: Mapping[str, Any] | str | os.PathLike[str],
    *,
    prefix: str | None = None,
    readout: str | None = None,
    nonlinearity: Activation | None = None,
) -> tuple[Any, Any]:
    """Construct cell and parameters from the weights of nn.RNN, nn.LSTM or nn.GRU.

    Any number of layers, both directions, ``proj_size``, with or without bias; nn.RNNCell,
    nn.LSTMCell and nn.GRUCell as well. The dtype is that of the weights (half precision becomes
    float32, and JAX reads float64 as float32 unless x64 is enabled).

    Args:
      weights: a state dict, or the path of a ``.safetensors`` or ``.npz`` file. It may be that of a
        larger model.
      prefix: the name of the recurrent module in it, such as "encoder.lstm"; found if there is one.
      readout: the name of an nn.Linear that reads the last layer, such as "fc"; the identity if
        None, so that outputs are those of the module.
      nonlinearity: that of nn.RNN, for instance ``rnnjax.activations.tanh``.

    Returns:
      the cell (a single one, a `rnnjax.Stack`, or a `rnnjax.Bidirectional`) and its parameters.

    Raises:
      ValueError: the weights are not those of such a module.

    Example:
      >>> rng = np.random.default_rng(0)
      >>> shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3)}
      >>> shapes |= {"bias_ih_l0": (12,), "bias_hh_l0": (12,)}
      >>> state_dict = {f"lstm.{key}": rng.normal(size=shape) for key, shape in shapes.items()}
      >>> cell, params = from_torch(state_dict)
      >>> cell.n_units, params.W.shape
      (3, (12, 3))
    """
    given = files.named(weights)
    prefix = _prefix(given, prefix)
    n_layers, suffixes = _layers(given, prefix, _head_keys(readout))
    directions = [
        [_Place(prefix, f"_l{i}{end}" if suffixes.numbered else "") for i in range(n_layers)]
        for end in suffixes.ends
    ]
    kind = _kind(given, directions[0][0])
    network.checked_activation(
        "nonlinearity", nonlinearity, _KINDS[kind], needed=_KINDS[kind] == "nn.RNN"
    )
    found = _parts(given, directions, kind, nonlinearity)
    forward, backward = found[0], found[1] if len(found) > 1 else []
    head = None
    if readout is not None:
        n_s = network.sent(forward, backward)
        head = network.head(given, *_head_keys(readout), n_s, transposed=False)
    return network.assembled(forward, backward, head)


class _Suffixes(NamedTuple):
    """Whether keys end with the number of their layer, and what follows it in each direction."""

    numbered: bool
    ends: tuple[str, ...]


def _head_keys(readout: str | None) -> tuple[str, str]:
    if readout is not None and not isinstance(readout, str):
        raise ValueError(f"readout: expected the name of a linear layer, got {shown(readout)}")
    if readout is None:
        return "", ""
    name = readout.removesuffix(".")
    dot = "." if name else ""
    return f"{name}{dot}weight", f"{name}{dot}bias"


def _prefix(weights: Mapping[str, Any], given: str | None) -> str:
    """Return the prefix of the keys of the recurrent module."""
    matches = [match for key in weights if (match := _KEY.fullmatch(key))]
    found = sorted({m["prefix"] for m in matches if m["name"].startswith("weight")})
    if not found:
        message = "expected keys such as weight_ih_l0 and weight_hh_l0"
        raise ValueError(f"weights: {message}, got {files.listed(weights)}")
    if given is None:
        if len(found) == 1:
            return found[0]
        raise ValueError(f"prefix: expected one of {_quoted(found)}, got None")
    wanted = f"{given.removesuffix('.')}." if isinstance(given, str) and given else given
    if not isinstance(wanted, str) or wanted not in found:
        raise ValueError(f"prefix: expected one of {_quoted(found)}, got {shown(given)}")
    return wanted


def _quoted(names: list[str]) -> str:
    return one_line(", ".join(repr(name.removesuffix(".")) for name in names), 200)


def _layers(
    weights: Mapping[str, Any], prefix: str, of_head: tuple[str, str]
) -> tuple[int, _Suffixes]:
    """Return the number of layers and the suffixes of their keys."""
    own = [key for key in weights if key.startswith(prefix) and key not in of_head]
    matches = {key: _KEY.fullmatch(key) for key in own}
    mine = [m for m in matches.values() if m and m["prefix"] == prefix]
    # What is below a root belongs to other modules; a recurrent module has nothing below it.
    unknown = [
        key
        for key, match in matches.items()
        if (not match or match["prefix"] != prefix) and (prefix or "." not in key)
    ]
    if unknown:
        message = f"expected no other array in the module {prefix.removesuffix('.')!r}"
        raise ValueError(f"weights: {message}, got {files.listed(unknown)}")
    numbered = {m["layer"] is not None for m in mine}
    if numbered == {True, False}:
        raise ValueError(f"weights: expected keys with or without _l0, got {files.listed(own)}")
    ends = ("", "_reverse") if any(m["reverse"] for m in mine) else ("",)
    n_layers = 1 + max(int(m["number"] or 0) for m in mine)
    if n_layers > len(mine):
        message = f"expected layers 0 to {n_layers - 1}"
        raise ValueError(f"weights: {message}, got {files.listed(own)}")
    return n_layers, _Suffixes(numbered == {True}, ends)


def _kind(weights: Mapping[str, Any], first: _Place) -> int:
    """Return the number of gates: rows of weight_hh over units."""
    name = first.key("weight_hh")
    shape = files.array(weights, name, (None, None)).shape
    if first.key("weight_hr") in weights:
        return 4
    for m in _KINDS:
        if shape[0] == m * shape[1]:
            return m
    raise ValueError(f"{name}: expected shape (n, n), (3 n, n) or (4 n, n), got {shape}")


def _parts(
    weights: Mapping[str, Any],
    directions: list[list[_Place]],
    n_gates: int,
    nonlinearity: Activation | None,
) -> list[list[Part]]:
    """Return the layers of every direction."""
    first = directions[0][0]
    has = {name: first.key(name) in weights for name in ("bias_ih", "bias_hh", "weight_hr")}
    n_x: int | None = None
    found: list[list[Part]] = [[] for _ in directions]
    for layer in zip(*directions, strict=True):
        for parts, place in zip(found, layer, strict=True):
            _require_alike(weights, place, first, has)
            parts.append(_part(weights, place, n_gates, n_x, nonlinearity))
            n_x = n_x or parts[0].cell.n_x
        n_x = sum(parts[-1].n_out for parts in found)
    return found


def _require_alike(
    weights: Mapping[str, Any], place: _Place, first: _Place, has: dict[str, bool]
) -> None:
    """Refuse layers of which some have a bias or a projection and others have none."""
    has_bias = has["bias_ih"] or has["bias_hh"]
    expected = {"weight_hh": True, **has, "bias_ih": has_bias, "bias_hh": has_bias}
    for name, there in expected.items():
        key = place.key(name)
        if there != (key in weights):
            message = f"expected an array as {first.key('weight_hh')} has one" if there else ""
            message = message or f"expected none as beside {first.key('weight_hh')}"
            got = "none" if there else "an array"
            raise ValueError(f"{one_line(key, 80)}: {message}, got {got}")


@np.errstate(over="ignore")  # of a sum of biases, which `network.assembled` refuses
def _part(
    weights: Mapping[str, Any],
    place: _Place,
    m: int,
    n_x: int | None,
    nonlinearity: Activation | None,
) -> Part:
    """Return one layer in one direction."""
    R = None
    if place.key("weight_hr") in weights:
        R = files.array(weights, place.key("weight_hr"), (None, None))
        W = files.array(weights, place.key("weight_hh"), (m * R.shape[1], R.shape[0]))
    else:
        n = files.array(weights, place.key("weight_hh"), (None, None)).shape[1]
        W = files.array(weights, place.key("weight_hh"), (m * n, n))
    rows = len(W)
    U = files.array(weights, place.key("weight_ih"), (rows, n_x))
    b_x, b_h = (
        files.array(weights, key, (rows,)) if key in weights else np.zeros(rows, W.dtype)
        for key in (place.key("bias_ih"), place.key("bias_hh"))
    )
    if m == 3:
        n = rows // 3
        b = np.concatenate([b_x[: 2 * n] + b_h[: 2 * n], b_x[2 * n :]])
        return network.gru(Weights(W, U, b), b_h[2 * n :])
    both = Weights(W, U, b_x + b_h)
    if R is not None:
        return network.projected_lstm(both, R)
    if nonlinearity is not None:
        return network.vanilla(both, nonlinearity)
    return network.lstm(both)
