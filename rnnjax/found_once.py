"""Answers about a cell that are found once and kept, for cells with and without a hash.

A cell is a frozen dataclass or any object with the methods of one. Its answers are kept by its
hash, and where that is the identity of an object, by the values of its attributes as well: they
may be set to others. What has no hash is asked again each time.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

R = TypeVar("R")


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
            if not _has_hash(question):
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
    elif kind.__hash__ is object.__hash__ and not isinstance(value, type):
        for name, attribute in getattr(value, "__dict__", {}).items():
            yield name, attribute if _has_hash(attribute) else _Same(attribute)


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
