"""What sweep.json tells of a sweep: its config, the hash of it, its code and its groups."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnjax.sweep import files
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.same_code import code_record, is_code_record

SCHEMA = 2
PLACE = ("static", "first", "n_lanes")
SAFE_ID = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{0,119}")
_HASHED = 1  # raised when what the hash is made of changes
_CHANGES_NO_CELL = ("chunks_a_shard",)


def config_hash_of(spec: Mapping[str, Any]) -> str:
    """The hash of what two sweeps must share for the cells of one to stand for the other's."""
    config = {k: v for k, v in (spec.get("config") or {}).items() if k not in _CHANGES_NO_CELL}
    parts = [_HASHED, spec.get("experiment"), config, spec.get("precision")]
    return files.sha256(json.dumps(parts, sort_keys=True).encode())


def commit_spec(path: Path, spec: Mapping[str, Any], again: bool) -> None:
    """Makes sweep.json, unless it is there, also that of another process which came first.

    Args:
        path: the file.
        spec: its content.
        again: whether to put it in the place of one of other code.
    """
    data, scratch = files.seal(spec), path.parent / "tmp"
    if not os.path.exists(path):
        try:
            files.commit_new(path, data, scratch)
        except StoreError:
            if not os.path.exists(path) or files.read_bytes(path) == data:
                raise
    if again and code_record(files.read_sealed(path)) != code_record(spec):
        files.commit_over(path, data, scratch)


def check_spec(path: Path, spec: Mapping[str, Any]) -> None:
    """Raises StoreError unless the spec is of this schema and consistent, its ids safe names."""
    groups = spec.get("groups")
    if spec.get("schema") != SCHEMA:
        raise StoreError(f"{path}: expected schema {SCHEMA}, got {spec.get('schema')!r}")
    if spec.get("config_hash") != config_hash_of(spec):
        raise StoreError(f"{path}: config_hash {spec.get('config_hash')!r} does not fit the config")
    if not isinstance(groups, list | tuple) or not all(map(_is_group, groups)):
        message = "{id: ..., static: {...}, first: ..., n_lanes: ...}"
        raise StoreError(f"{path}: expected groups of the form {message}")
    if "code" in spec and not is_code_record(spec["code"]):
        raise StoreError(f"{path}: expected code of the form {{cells: ..., definitions: {{...}}}}")
    seen: set[str] = set()
    for name in (group["id"] for group in groups):
        if not SAFE_ID.fullmatch(name) or name.lower() in seen:
            raise StoreError(f"{path}: group id {name!r} is no safe file name, or there twice")
        seen.add(name.lower())


def _is_group(group: object) -> bool:
    return (
        isinstance(group, Mapping)
        and isinstance(group.get("id"), str)
        and isinstance(group.get("static"), Mapping)
        and all(type(group.get(key)) is int for key in PLACE[1:])
    )
