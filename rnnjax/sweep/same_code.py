"""Whether results were computed by the present code, and which definitions have changed.

Fingerprints are compared as strings. Results that predate fingerprints, and those with fingerprints
of another scheme, count as computed by unknown code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError
from rnnjax.sweep import files
from rnnjax.sweep.differences import MOST
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.fingerprint import ORDER, SCHEME

CELLS, LIBRARY = "cells_code", "library_code"  # attributes of shards, receipts and cubes
UNKNOWN = "unknown"


def code_record(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The code section of a sweep.json or cube.json: "cells" and "definitions"; empty if none."""
    code = spec.get("code")
    return dict(code) if isinstance(code, Mapping) and is_code_record(code) else {}


def is_code_record(code: object) -> bool:
    """Whether a code section has the form of `Code.record`."""
    return (
        isinstance(code, Mapping)
        and isinstance(code.get("cells"), str)
        and isinstance(code.get("definitions"), Mapping)
        and all(isinstance(digest, str) for digest in code["definitions"].values())
    )


def known(codes: Iterable[object]) -> set[str]:
    """The fingerprints of this scheme in some attributes, each of which may name several."""
    each = {code for record in codes for code in str(record).split(" | ")}
    return {code for code in each if code.startswith(f"{SCHEME}-")}


def changed(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The names of the definitions that differ, as in ``measure, GAIN``; "it" if none is known."""
    old, new = (code.get("definitions", {}) for code in (there, here))
    names = [name for name in [*new, *(name for name in old if name not in new)]
             if old.get(name) != new.get(name)]  # fmt: skip
    if not old or not names:
        return "it"
    names = [name for name in names if name != ORDER] or names
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def refuse_other_code(
    out: Path, cells: set[str], there: Mapping[str, Any], here: Mapping[str, Any]
) -> None:
    """Raise ConfigError if cells were computed by code other than the experiment's present code.

    Args:
        out: the folder of the cells.
        cells: the known fingerprints of the cells.
        there: the code section recorded for the cells, from which changed definitions are named.
        here: the present code section; if it is empty, no error is raised.
    """
    if cells - {here.get("cells")} and here:
        message = (
            f"expected the code that {out} was computed with, but {changed(there, here)} changed"
        )
        raise ConfigError(
            "experiment", f"{message}; take another --out, or --force to compute it again"
        )


def code_record_of_cube(out: Path) -> dict[str, Any]:
    """The code section recorded for the cube in a folder, from which definitions are named."""
    for name in ("cube.json", "sweep.json"):
        try:
            if code := code_record(files.read_sealed(out / name)):
                return code
        except StoreError:
            continue
    return {}
