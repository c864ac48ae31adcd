"""Which arrays of a Keras model are those of its recurrent layers, from their paths.

A path is LAYER/CELL/NAME, or LAYER/forward_X/CELL/NAME and LAYER/backward_X/CELL/NAME in a
Bidirectional layer; the name of the model may stand in front. A layer of another kind may be named
forward_X too: it is one where nothing stands in front of it, or where the user names it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnjax.errors import one_line, shown
from rnnjax.importers import files

_DIRECTION = re.compile(r"(?:^|/)(forward|backward)_[^/]*(?=/|$)")
_OPPOSITE = {"forward": "backward", "backward": "forward"}


def chosen(weights: Mapping[str, Any], layers: Sequence[str] | None) -> list[tuple[str, ...]]:
    """Return the paths of the cells of each layer, forward and (if there is one) backward."""
    if layers is not None:
        layers = _checked(layers)
    cells = [name.removesuffix("recurrent_kernel") for name in weights if _is_recurrent(name)]
    directions = {path: _direction(path, cells, layers or ()) for path in cells}
    by_layer: dict[str, list[str]] = {}
    for path, match in directions.items():
        layer = path[: match.start()] if match else path.removesuffix("/")
        by_layer.setdefault(layer, []).append(path)
    if not by_layer:
        message = "expected paths such as lstm/lstm_cell/recurrent_kernel"
        raise ValueError(f"weights: {message}, got {files.listed(weights)}")
    if layers is None:
        if len(by_layer) > 1:
            raise ValueError(f"layers: expected their names in order, {listed(by_layer)}, got None")
        names = list(by_layer)
    else:
        names = [_named(by_layer, name) for name in layers]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"layers: expected different names of layers, got {shown(layers)}")
    chosen = [_both({p: directions[p] for p in by_layer[name]}, name) for name in names]
    if len({len(paths) for paths in chosen}) > 1:
        message = "layers that all read in both directions or all forward"
        raise ValueError(f"layers: expected {message}, got {listed(names)}")
    return chosen


def _is_recurrent(name: str) -> bool:
    return name.rsplit("/", 1)[-1] == "recurrent_kernel"


def _checked(layers: Any) -> tuple[str, ...]:
    if isinstance(layers, Iterable) and not isinstance(layers, str | bytes):
        names = tuple(layers)
        if all(isinstance(name, str) for name in names):
            return names
    raise ValueError(f"layers: expected a tuple of names, got {shown(layers)}")


def _direction(path: str, cells: Sequence[str], layers: Sequence[str]) -> re.Match[str] | None:
    """Return where the path of a cell names a direction of a Bidirectional layer."""
    named = {name.strip("/").rsplit("/", 1)[-1] for name in layers}
    for match in reversed([*_DIRECTION.finditer(path)]):
        beside = path[: match.start(1)] + _OPPOSITE[match[1]] + "_"
        partners = {
            cell[match.start(1) :].split("/")[0] for cell in cells if cell.startswith(beside)
        }
        is_named = match[0].strip("/") in named and (not partners or partners & named)
        if not is_named and (partners or match.start() > 0):
            return match
    return None


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


def _both(paths: Mapping[str, re.Match[str] | None], name: str) -> tuple[str, ...]:
    """Return the paths of the cells of one layer: forward and (if there is one) backward."""
    found = {match[1]: path for path, match in paths.items() if match}
    if not found and len(paths) == 1:
        return (*paths,)
    if set(found) == {"forward", "backward"} and len(paths) == 2:
        return found["forward"], found["backward"]
    message = "one cell, or forward_ and backward_ of a Bidirectional layer"
    advice = ""
    if len(paths) == 1:
        own = next(match[0].strip("/") for match in paths.values() if match)
        advice = f"; if a layer itself has this name, layers=({own!r},)"
    raise ValueError(f"weights: expected {message} in {name!r}, got {listed(paths)}{advice}")
