"""What values of a config may be: what JSON, float32 and int32 can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rnnjax.errors import ConfigError, shown
from rnnjax.sweep.axes import Values

_DEEPEST = 20  # levels of lists and tables in one value
_MOST_BITS = 10_000  # of an integer: Python writes no more than 4300 digits


def in_range(values: Values) -> Values:
    """Refuse values of a traced axis that float32 and int32 do not hold."""
    for value in values:
        if isinstance(value, float) and value and not 1e-37 <= math.fabs(value) <= 3e38:
            raise ValueError(f"expected 0 or a size within 1e-37..3e38, got {shown(value)}")
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise ValueError(f"expected an integer of 32 bits, got {shown(value)}")
    return values


def as_tuples(value: Any) -> Any:
    """Tuples for lists: behind a function of ours strict validation takes no lists for them."""
    return tuple(map(as_tuples, value)) if isinstance(value, list | tuple) else value


def refuse_what_json_lacks(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> None:
    """Raise ConfigError for numbers of thousands of digits and very deep nesting."""
    for name, value in data.items():
        here = (*path, str(name))
        if isinstance(value, Mapping) and here == ("axes",):
            refuse_what_json_lacks(value, here)
            continue
        level, depth = [value], 0
        while level:
            depth += 1
            if wrong := [value for value in level if _is_too_long(value)]:
                message = f"expected fewer digits, got {shown(wrong[0])}"
                raise ConfigError(".".join(here), message)
            if depth > _DEEPEST:
                raise ConfigError(".".join(here), f"expected at most {_DEEPEST} levels, got more")
            level = [v for holder in level for v in _members(holder)]


def _is_too_long(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > _MOST_BITS


def _members(holder: Any) -> Iterable[Any]:
    if isinstance(holder, Mapping):
        return holder.values()
    return holder if isinstance(holder, list | tuple) else ()
