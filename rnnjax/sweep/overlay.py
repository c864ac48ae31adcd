"""Laying values over a config: a value replaces an axis of the same field, and an axis a value."""

from __future__ import annotations

from typing import Any

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep.setting import RESERVED


def lay_over(data: dict[str, Any], key: str, value: Any) -> None:
    """Put a value in its place in a config.

    Args:
        data: the config, which is changed.
        key: dotted name of the key, as in ``axes.gain``.
        value: the value.

    Raises:
        ConfigError: something above the key is no table.
    """
    *path, last = key.split(".")
    holder = data
    for name in path:
        holder = holder.setdefault(name, {})
        if not isinstance(holder, dict):
            raise ConfigError(key, f"expected {name} to be a table, got {shown(holder)}")
    holder[last] = value
    if last in RESERVED:  # a key of its own, also where a dimension has that name
        return
    if not path:
        axes = data.get("axes")
        if isinstance(axes, dict):
            axes.pop(last, None)
    elif path == ["axes"]:
        data.pop(last, None)
