"""Whether two folders hold the same sweep, and how their sweeps differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnjax.sweep.differences import differences, in_one_line
from rnnjax.sweep.files import StoreError
from rnnjax.sweep.manifest import config_hash_of
from rnnjax.sweep.same_code import code_record


def is_same_sweep(there: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether two sweeps have the same config and experiment, whose file may have been moved.

    Args:
        there: "experiment", "config_hash" and "code" of one sweep.
        here: the whole spec of the other.
    """
    if there["config_hash"] == here["config_hash"]:
        return True
    codes = [code_record(spec).get("cells") for spec in (there, here)]
    names = [Path(str(spec["experiment"])).name for spec in (there, here)]
    moved = config_hash_of({**here, "experiment": there["experiment"]}) == there["config_hash"]
    # A file that was both moved and changed is reported as changed.
    return moved and None not in codes and (codes[0] == codes[1] or names[0] == names[1])


def difference_text(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The differences between two sweeps, in one line."""
    names = ("experiment", "precision", "config")
    theirs, mine = ({name: config[name] for name in names} for config in (there, here))
    return in_one_line(differences(theirs, json.loads(json.dumps(mine))))


def refuse_other_sweep(out: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise StoreError unless a spec is that of the sweep in a folder."""
    if not is_same_sweep(there, here):
        raise StoreError(
            f"{out}: holds another sweep ({difference_text(there, here)}); choose another "
            f"--out, or resume that sweep with its own config"
        )
    if json.loads(json.dumps(here["groups"])) != there["groups"]:
        raise StoreError(
            f"{out}: has its cells in other shards (another chunks_a_shard, or another "
            f"version); choose another --out, or go on with: rnnjax resume {out}"
        )
