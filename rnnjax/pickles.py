"""Pickling by name of functions that pickle cannot find.

The object that JAX makes of a function (`jax.nn.relu`, anything under `jax.jit`) has the function's
name in its module, but pickle looks up the wrapped function and finds another object. If the name
of an object resolves to this same object, the name is pickled in its place.
"""

import functools
from importlib import import_module
from types import FunctionType
from typing import Any, NamedTuple


class Name(NamedTuple):
    """The location of an object: a module, and the dotted name in it."""

    module: str
    name: str

    def object(self) -> Any:
        """Return the object that the name refers to."""
        return functools.reduce(getattr, self.name.split("."), import_module(self.module))


def packed(value: Any) -> Any:
    """Return a value, or tuples of values, with functions wrapped by JAX replaced by names."""
    if type(value) is tuple:
        return tuple(packed(part) for part in value)
    if not callable(value) or isinstance(value, (type, FunctionType)):
        return value
    return _name_of(value) or value


def unpacked(value: Any) -> Any:
    """Return the original value, given the result of `packed`."""
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
