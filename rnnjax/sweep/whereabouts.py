"""Finding the experiment of a sweep again, from another working folder or after a move.

A store keeps the path that the user gave, the absolute path, and the path from its own folder.
Cubes keep what the user gave alone: they are published, and no path of a machine is in them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep.experiment import find
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.fingerprint import code_of
from rnnjax.sweep.same_code import code_record
from rnnjax.sweep.sources import read_sources

KEY = "file"


def whereabouts(path: Path, out: Path) -> dict[str, dict[str, str]]:
    """What a store in `out` keeps of the place of its experiment."""
    absolute = path.resolve()
    return {KEY: {"absolute": str(absolute), "from_out": os.path.relpath(absolute, out.resolve())}}


def moved_to(out: Path, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a store as one in `out` keeps it."""
    known = spec.get(KEY)
    absolute = known.get("absolute") if isinstance(known, Mapping) else None
    return {**spec, **(whereabouts(Path(absolute), out) if isinstance(absolute, str) else {})}


def located(name: str, out: Path | None, spec: Mapping[str, Any]) -> Path:
    """The file of the experiment of a sweep.

    Args:
        name: the name, or the path as the user gave it.
        out: the folder of the store, if it is at hand.
        spec: what sweep.json tells, empty without one.

    Returns:
        Of the places that are known the first whose file has the code that the sweep was started
        with. Without such a file the first that is there, but for the path from the folder of the
        store, where a folder that was moved may have met another file of the name.

    Raises:
        ConfigError: there is none.
    """
    known = spec.get(KEY)
    places = known if isinstance(known, Mapping) else {}
    absolute, beside = (str(places.get(key, "")) for key in ("absolute", "from_out"))
    try:
        given, missing = [find(name)], None
    except ConfigError as error:
        given, missing = [], error
    sure = given + [Path(absolute)] * _is_file(absolute)
    from_out = str(out / beside) if out is not None and beside else ""
    unsure = [Path(from_out)] * _is_file(from_out)
    cells = code_record(spec).get("cells")
    for path in sure + unsure if len(sure + unsure) > 1 or not sure else []:
        if cells is not None and _cells_code(path) == cells:
            return path
    if sure:
        return sure[0]
    raise _lost(name, out, absolute) if absolute else missing or ConfigError("experiment", name)


def _lost(name: str, out: Path | None, absolute: str) -> ConfigError:
    again = f"; name its new place: rnnjax run FILE --out {out}" if out is not None else ""
    message = (
        f"expected {shown(name)} of this sweep, here or at {shown(absolute, 120)}, got no file"
    )
    return ConfigError("experiment", message + again)


def _is_file(path: str) -> bool:
    try:
        return bool(path) and os.path.isfile(path)
    except ValueError:  # a name with a NUL
        return False


def _cells_code(path: Path) -> str | None:
    try:
        return code_of(read_sources(path)).cells
    except StoreError:
        return None
