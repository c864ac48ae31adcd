"""The fingerprint of rnnjax's own code, as far as it decides cells."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import re
from functools import cache
from pathlib import Path

from rnnjax.atomic_file import write_atomically
from rnnjax.catalog import PACKAGE
from rnnjax.sweep.backend import cache_folder
from rnnjax.sweep.normal_form import digest_of, normalised

# Commands, figures, claims, clusters and what a sweep does besides computing decide no cell. All
# else may be used by an experiment, `theory` and `decks` too.
_DECIDE_NOTHING = ("cli", "claims", "cluster", "figures", "atomic_file.py", "catalog.py",
                   "cube_setting.py", "errors.py", "lazy.py", "reductions")  # fmt: skip
_COMPUTING = {"axes", "axis", "backend", "compute", "config", "inferred", "options", "plan",
              "programs", "reading", "setting", "shard", "shared", "status"}  # fmt: skip

_FINGERPRINT = re.compile("[0-9a-f]+")


@cache
def library_code() -> str:
    """The fingerprint of the installed rnnjax, remembered beside the compiled programs."""
    folder = cache_folder()
    if folder is None:
        return fingerprint_of(PACKAGE)
    place, content = folder.parent / "library.json", _content(PACKAGE)
    try:
        known = json.loads(place.read_bytes())
        if known["content"] == content and _FINGERPRINT.fullmatch(known["fingerprint"]):
            return str(known["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing that this release can read is there
    found = fingerprint_of(PACKAGE)
    with contextlib.suppress(OSError):  # a disk that is full only costs the next process its time
        write_atomically(place, json.dumps({"content": content, "fingerprint": found}).encode())
    return found


def fingerprint_of(package: Path) -> str:
    """The fingerprint of a copy of rnnjax; comments, formatting and docstrings do not count."""
    return digest_of("".join(_said(package, path) for path in _paths(package)))


def _content(package: Path) -> str:
    """The hash of the bytes that the fingerprint is made of, and of how it is made."""
    makers = [Path("sweep/library.py"), Path("sweep/normal_form.py")]
    hashed = hashlib.sha256()
    for path in [*makers, *_paths(package)]:
        data = (package / path).read_bytes()
        hashed.update(f"{path.as_posix()} {len(data)} ".encode() + data)
    return hashed.hexdigest()


def _paths(package: Path) -> list[Path]:
    paths = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return [path for path in paths if _decides(path)]


def _decides(path: Path) -> bool:
    if path.parts[0] == "sweep":
        return path.stem in _COMPUTING
    # An installed package has the experiments in it.
    return path.parts[0] not in (*_DECIDE_NOTHING, "experiments")


def _said(package: Path, path: Path) -> str:
    return f"{path.as_posix()} {normalised(ast.parse((package / path).read_bytes()))}\n"
