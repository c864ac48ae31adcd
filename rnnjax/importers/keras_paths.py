"""Which arrays of a Keras model are those of its recurrent layers, from their paths.

A path is LAYER/CELL/NAME, or LAYER/forward_X/CELL/NAME and LAYER/backward_X/CELL/NAME in a
Bidirectional layer; the name of the model may stand in front.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnjax.errors import one_line, shown
from rnnjax.importers import files

_DIRECTION = re.compile(r"(?:^|/)(forward|backward)_[^/]*(?=/|$)")


def chosen(weights: Mapping[str, Any], layers: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Return the paths of the cells of each layer, forward and (if there is one) backward."""
    cells = [name.removesuffix("recurrent_kernel") for name in weights if _is_recurrent(name)]
    by_layer: dict[str, list[str]] = {}
    for path in cells:
        by_layer.setdefault(_layer_of(path), []).append(path)
    if not by_layer:
        message = "expected paths such as lstm/lstm_cell/recurrent_kernel"
        raise ValueError(f"weights: {message}, got {files.listed(weights)}")
    if layers is None:
        if len(by_layer) > 1:
            raise ValueError(f"layers: expected their names in order, {listed(by_layer)}, got None")
        names = list(by_layer)
    else:
        if isinstance(layers, str) or not all(isinstance(name, str) for name in layers):
            raise ValueError(f"layers: expected a tuple of names, got {shown(layers)}")
        names = [_named(by_layer, name) for name in layers]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"layers: expected different names of layers, got {shown(layers)}")
    chosen = [_directions(by_layer[name], name) for name in names]
    if len({len(paths) for paths in chosen}) > 1:
        message = "layers that all read in both directions or all forward"
        raise ValueError(f"layers: expected {message}, got {listed(names)}")
    return chosen


def _is_recurrent(name: str) -> bool:
    return name.rsplit("/", 1)[-1] == "recurrent_kernel"


def _layer_of(path: str) -> str:
    """Return the path of a layer from that of its cell: for both directions the same."""
    match = _DIRECTION.search(path)
    return path[: match.start()] if match else path.removesuffix("/")


def _named(by_layer: Mapping[str, Any], name: str) -> str:
    found = [path for path in by_layer if f"/{name.strip('/')}/" in f"/{path}/"]
    if len(found) != 1:
        raise ValueError(
            f"layers: expected names of one each of {listed(by_layer)}, got {shown(name)}"
        )
    return found[0]


def listed(names: Iterable[str]) -> str:
    """Return names for a message."""
    return one_line(", ".join(repr(name) for name in names), 200)


def _directions(paths: list[str], name: str) -> tuple[str, ...]:
    """Return the paths of the cells of one layer: forward and (if there is one) backward."""
    found = {match[1]: path for path in paths if (match := _DIRECTION.search(path))}
    if not found and len(paths) == 1:
        return (paths[0],)
    if set(found) == {"forward", "backward"} and len(paths) == 2:
        return found["forward"], found["backward"]
    message = "one cell, or forward_ and backward_ of a Bidirectional layer"
    raise ValueError(f"weights: expected {message} in {name!r}, got {listed(paths)}")
