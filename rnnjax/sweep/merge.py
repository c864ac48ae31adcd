"""Bringing the shards of several stores of one sweep together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnjax.sweep.files import StoreError
from rnnjax.sweep.store import Store


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
    """
    stores = [Store.open(source) for source in sources]
    spec = Store.open(out).spec if (out / "sweep.json").exists() else stores[0].spec
    for store in stores:
        if any(store.spec[key] != spec[key] for key in ("config_hash", "groups")):
            told = store.told_apart(spec) or "its cells in other shards"
            raise StoreError(f"{store.out}: expected the sweep of {out}, but it has {told}")
    merged = Store.create(out, spec)
    return merged, {store.out: _taken(merged, store) for store in stores}


def _taken(merged: Store, source: Store) -> int:
    there, given = merged.committed(), 0
    for group in sorted(source.committed()):
        # Also a group that is there already: of two results of one group neither may be lost.
        merged.commit_encoded(group, *source.read(group))
        given += group not in there
    return given
