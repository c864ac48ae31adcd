"""The fingerprint of rnnjax's own code, as far as it decides cells."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from rnnjax.catalog import PACKAGE
from rnnjax.sweep.normal_form import digest_of, normalised

# Commands, figures, claims, clusters and what a sweep does besides computing decide no cell. All
# else may be used by an experiment, `theory` and `decks` too.
_DECIDE_NOTHING = ("cli", "claims", "cluster", "figures", "atomic_file.py", "catalog.py",
                   "cube_setting.py", "errors.py", "lazy.py", "reductions")  # fmt: skip
_COMPUTING = {"axes", "axis", "backend", "compute", "config", "inferred", "options", "plan",
              "programs", "reading", "setting", "shard", "shared", "status"}  # fmt: skip


@cache
def library_code() -> str:
    """The fingerprint of the installed rnnjax."""
    return fingerprint_of(PACKAGE)


def fingerprint_of(package: Path) -> str:
    """The fingerprint of a copy of rnnjax; comments, formatting and docstrings do not count."""
    paths = sorted(path.relative_to(package) for path in package.rglob("*.py"))
    return digest_of("".join(_said(package, path) for path in paths if _decides(path)))


def _decides(path: Path) -> bool:
    if path.parts[0] == "sweep":
        return path.stem in _COMPUTING
    # An installed package has the experiments in it.
    return path.parts[0] not in (*_DECIDE_NOTHING, "experiments")


def _said(package: Path, path: Path) -> str:
    return f"{path.as_posix()} {normalised(ast.parse((package / path).read_bytes()))}\n"
