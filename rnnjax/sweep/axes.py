"""The grammar of one sweep axis: a list, or a call that stands for one.

    lin(a, b, n)      n values from a to b, evenly spaced
    log(a, b, n)      n values from a to b, evenly spaced in the logarithm
    intlog(a, b, n)   the same, rounded to integers, repeated ones dropped
    range(n)          0, 1, ..., n - 1

On the command line ``0.5,1,2`` and a single value are lists too. Spaced values are rounded to 12
significant digits: ``lin(0.5,2,31)`` then holds 0.6 and not 0.6000000000000001, and a cube can be
indexed by the number one would write down.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from rnnjax.errors import shown

MAX_VALUES = 1_000_000
GRAMMAR = "a list, lin(a,b,n), log(a,b,n), intlog(a,b,n) or range(n)"
_COMMA = re.compile(r",(?![^()]*\))")  # outside of round brackets
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*", re.ASCII)

Number = int | float
Values = tuple[object, ...]


def expand(given: object, item: type = float) -> Values:
    """Expand what a config says of one axis into its values.

    Args:
        given: a list, a single value, or a string in the grammar of this module.
        item: type of the values (float, int, bool or str); strings are left alone for str,
            whole floats become integers for int.

    Returns:
        The values, not yet checked against `item`.

    Raises:
        ValueError: when `given` is not in the grammar, is empty, or is too long.
    """
    values = _values(given, item)
    if not values:
        raise ValueError(f"expected at least one value, got {shown(given)}")
    if len(values) > MAX_VALUES:
        raise ValueError(f"expected at most {MAX_VALUES} values, got {len(values)}")
    return tuple(map(_whole, values)) if item is int else values


def check_values(values: Values) -> Values:
    """Return `values` if no two are equal.

    Raises:
        ValueError: naming the first value that comes twice.
    """
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"expected values that differ, got {shown(value)} twice")
        seen.add(value)
    return values


def _values(given: object, item: type) -> Values:
    if isinstance(given, list | tuple):
        return tuple(given)
    if isinstance(given, bool | int | float):
        return (given,)
    if not isinstance(given, str):
        raise ValueError(f"expected {GRAMMAR}, got {shown(given)}")
    call = _CALL.fullmatch(given) if item is not str else None
    return _spaced(given, call[1], call[2]) if call else _listed(given, item)


def _listed(text: str, item: type) -> Values:
    inner = text.strip()
    if inner.startswith("[") and inner.endswith("]"):
        inner = inner[1:-1]
    if inner.count(",") >= MAX_VALUES:
        raise ValueError(f"expected at most {MAX_VALUES} values, got {inner.count(',') + 1}")
    parts = [part.strip() for part in _COMMA.split(inner)] if inner.strip() else []
    if item is str:
        return tuple(part.strip("\"'") for part in parts)
    if item is bool:
        return tuple({"true": True, "false": False}.get(part, part) for part in parts)
    return tuple(_number(part, text) for part in parts)


def _number(part: str, given: str) -> Number:
    for read in (int, float):
        try:
            if part.isascii():  # Python reads the digits of every script
                return read(part)
        except ValueError:
            continue
    raise ValueError(f"expected {GRAMMAR}, got {shown(given)}")


def _spaced(given: str, name: str, inner: str) -> Values:
    arguments = [part.strip() for part in inner.split(",")]
    if name == "range" and len(arguments) == 1:
        return tuple(range(_count(arguments[0], given)))
    if name not in _SPACINGS or len(arguments) != 3:
        raise ValueError(f"expected {GRAMMAR}, got {shown(given)}")
    try:
        start, stop = (float(_number(part, given)) for part in arguments[:2])
    except OverflowError:  # an integer beyond every float
        start = stop = math.inf
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise ValueError(f"expected finite ends, got {shown(given)}")
    return _SPACINGS[name](start, stop, _count(arguments[2], given), given)


def _count(text: str, given: str) -> int:
    # The count is looked at before anything is expanded: range(10**12) must not be tried.
    if not re.fullmatch(r"[0-9]{1,12}", text) or not 1 <= int(text) <= MAX_VALUES:
        raise ValueError(f"expected a count from 1 to {MAX_VALUES}, got {shown(given)}")
    return int(text)


def _lin(start: float, stop: float, count: int, given: str) -> Values:
    step = (stop - start) / max(count - 1, 1)
    if not math.isfinite(step):
        raise ValueError(f"expected ends whose difference is finite, got {shown(given)}")
    return _between(start, stop, [start + step * index for index in range(count)])


def _log(start: float, stop: float, count: int, given: str) -> Values:
    if start <= 0 or stop <= 0:
        raise ValueError(f"expected ends above zero for a logarithmic axis, got {shown(given)}")
    low, high = math.log(start), math.log(stop)
    step = (high - low) / max(count - 1, 1)
    # The ends are replaced by the exact ones, so exp never has to reach past the largest float.
    inner = [math.exp(low + step * index) for index in range(1, count - 1)]
    return _between(start, stop, [start, *inner, stop][:count])


def _intlog(start: float, stop: float, count: int, given: str) -> Values:
    if not (start.is_integer() and stop.is_integer()):
        raise ValueError(f"expected whole ends for intlog, got {shown(given)}")
    rounded = [round(value) for value in _log(start, stop, count, given)]  # type: ignore[call-overload]
    return tuple(dict.fromkeys(rounded))


def _between(start: float, stop: float, values: list[float]) -> Values:
    rounded = [float(f"{value:.12g}") for value in values]
    if len(rounded) > 1:
        rounded[0], rounded[-1] = start, stop
    return tuple(rounded)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


_SPACINGS: dict[str, Callable[[float, float, int, str], Values]] = {
    "lin": _lin,
    "log": _log,
    "intlog": _intlog,
}
