"""Bringing the shards of several stores of one sweep together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnjax.errors import ConfigError
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.same_code import changed, code_record
from rnnjax.sweep.same_sweep import difference_text, is_same_sweep
from rnnjax.sweep.store import Store
from rnnjax.sweep.whereabouts import moved_to


def merge(out: Path, sources: Sequence[Path]) -> tuple[Store, dict[Path, int]]:
    """Take over every committed group of the sources that a store lacks.

    Args:
        out: the store; made for the sweep of the first source where it is not there.
        sources: stores of the same sweep, which may be read-only.

    Returns:
        The store, and how many groups each source gave.

    Raises:
        StoreError: a source is another sweep, a shard is damaged, or two hold different results of
            one group. What was taken over before stays.
        ConfigError: they were computed by different code, or some tell their code and some do not.
    """
    stores = [Store.open(source) for source in sources]
    there = (out / "sweep.json").exists()
    first = Store.open(out) if there else stores[0]
    for store in stores:
        if not (
            is_same_sweep(store.spec, first.spec) and store.spec["groups"] == first.spec["groups"]
        ):
            message = difference_text(store.spec, first.spec) or "its cells in other shards"
            raise StoreError(f"{store.out}: expected the sweep of {out}, but it has {message}")
        _check_code(first, store)
    merged = Store.create(out, first.spec if there else moved_to(out, first.spec))
    return merged, {store.out: _taken(merged, store) for store in stores}


def _taken(merged: Store, source: Store) -> int:
    there, given = merged.committed(), 0
    for group in sorted(source.committed()):
        # Also a group that is there already: of two results of one group neither may be lost.
        merged.commit_encoded(group, *source.read(group))
        given += group not in there
    return given


def _check_code(first: Store, other: Store) -> None:
    if first.spec.get("code") is None and other.spec.get("code") is None:
        same = len(first.cells_codes() | other.cells_codes()) < 2
    else:
        same = first.cells_codes() == other.cells_codes()
    if not same:
        differ = changed(code_record(first.spec), code_record(other.spec))
        raise ConfigError("merge", f"expected one code to have computed all cells, but between "
                          f"{first.out} and {other.out} {differ} changed")  # fmt: skip
