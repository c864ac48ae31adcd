"""What two configs differ in, in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rnnjax.errors import shown

MOST = 4  # differences that are named one by one


def differences(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    """The keys in which two configs differ, each with both values; empty where they are equal.

    Args:
        theirs: a config as JSON, named as what is "there".
        mine: another one, named as what is "here".
    """
    there, here = dict(_flat(theirs)), dict(_flat(mine))
    names = [name for name in (here | there) if here.get(name, ...) != there.get(name, ...)]
    return [
        f"{name}: {_shown_value(there, name)} there, {_shown_value(here, name)} here"
        for name in names
    ]


def in_one_line(found: list[str]) -> str:
    """The first differences, and how many more there are."""
    more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
    return "; ".join(found[:MOST]) + more


def _flat(config: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _shown_value(config: Mapping[str, Any], name: str) -> str:
    if name not in config:
        return "nothing"
    value = config[name]
    if isinstance(value, list) and len(value) > MOST:
        return f"{len(value)} values from {shown(value[0])} to {shown(value[-1])}"
    return shown(value)
