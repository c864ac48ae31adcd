"""Answers about a cell that are found once and kept, for cells with and without a hash.

A cell is a frozen dataclass or any object with the methods of one. Its answers are kept by its
hash, and where that is the identity of an object, by the values of its attributes and those of its
class as well, small arrays, lists and objects within included: they may be set to others. What has
no hash is asked again each time.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from rnnjax.ranges import has_hash

R = TypeVar("R")
_FEW = 10_000  # entries of an array that are compared; a larger one is told by its identity
_DEPTH = 3  # of objects within objects


class _Same:
    """A value without a hash, such as an array, by its identity."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


def found_once(maxsize: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorate a function of positional arguments so that its last `maxsize` answers are kept.

    Its `cache_clear` forgets them.
    """

    def decorated(function: Callable[..., R]) -> Callable[..., R]:
        @functools.lru_cache(maxsize=maxsize)
        def kept(attributes: tuple[Any, ...], *question: Any) -> R:
            return function(*question)

        @functools.wraps(function)
        def asked(*question: Any) -> R:
            if not has_hash(question):
                return function(*question)
            return kept(tuple(_attributes(question)), *question)

        vars(asked)["cache_clear"] = kept.cache_clear
        return asked

    return decorated


def _attributes(value: Any) -> Iterator[Any]:
    """Yield what the hash of a value, or of the entries of a tuple, does not tell of it."""
    kind: Any = type(value)
    if kind is tuple:
        for entry in value:
            yield from _attributes(entry)
    elif _is_by_identity(value):
        for holder in (*kind.__mro__[:-1], value):
            for name, attribute in dict(getattr(holder, "__dict__", {})).items():
                if not name.startswith("__") and not callable(attribute):
                    yield name, _key(attribute)


def _is_by_identity(value: Any) -> bool:
    kind: Any = type(value)
    return kind.__hash__ is object.__hash__ and not isinstance(value, type)


def _key(value: Any, depth: int = 0) -> Any:
    """Return what tells a value from others, with a hash."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(_key(entry, depth) for entry in value)
    if isinstance(value, dict):
        return tuple((repr(name), _key(entry, depth)) for name, entry in value.items())
    if isinstance(value, np.ndarray) and value.size <= _FEW and not value.dtype.hasobject:
        return value.shape, value.dtype, value.tobytes()
    if has_hash(value) and not _is_by_identity(value):
        return value
    if depth < _DEPTH and hasattr(value, "__dict__") and not callable(value):
        return _Same(value), _key(vars(value), depth + 1)
    return _Same(value)
