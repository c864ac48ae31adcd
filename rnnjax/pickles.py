"""Functions that pickle cannot find by itself, kept by their name.

What JAX makes of a function (`jax.nn.relu`, anything under `jax.jit`) stands in its module under
the function's name, but pickle looks for the function behind it and finds another object. Where
a name leads to the very object, the name is what is kept.
"""

import functools
from importlib import import_module
from types import FunctionType
from typing import Any, NamedTuple


class Name(NamedTuple):
    """Where an object is found: a module, and the dotted name in it."""

    module: str
    name: str

    def object(self) -> Any:
        """Return what the name stands for."""
        return functools.reduce(getattr, self.name.split("."), import_module(self.module))


def packed(value: Any) -> Any:
    """Return a value, or tuples of such, with names in the place of what JAX made of functions."""
    if type(value) is tuple:
        return tuple(packed(part) for part in value)
    if not callable(value) or isinstance(value, (type, FunctionType)):
        return value
    return _name_of(value) or value


def unpacked(value: Any) -> Any:
    """Return what `packed` was given."""
    if isinstance(value, Name):
        return value.object()
    return tuple(unpacked(part) for part in value) if type(value) is tuple else value


def _name_of(value: Any) -> Name | None:
    name = Name(
        getattr(value, "__module__", None) or "", getattr(value, "__qualname__", None) or ""
    )
    try:
        return name if name.object() is value else None
    except (ImportError, AttributeError, ValueError):
        return None
