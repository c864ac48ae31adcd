"""A module of linen as what it was made with, so that it can be pickled.

The default arguments of linen are functions within functions, which pickle does not find. A module
is its class and the arguments that differ from these, and is made again of them.
"""

import dataclasses
from typing import Any, NamedTuple

from flax import linen

from rnnjax import pickles


class Parts(NamedTuple):
    """A linen module without its default arguments, which pickle would not find."""

    kind: type
    arguments: dict[str, Any]


def taken_apart(module: linen.Module) -> Parts:
    """Return a module, and the modules in it, as parts that pickle takes."""
    fields_of_kind = (f for f in dataclasses.fields(module) if f.init and f.name != "parent")
    given = {f.name: getattr(module, f.name) for f in fields_of_kind if not _is_default(module, f)}
    return Parts(
        type(module),
        {
            name: taken_apart(part) if isinstance(part, linen.Module) else pickles.packed(part)
            for name, part in given.items()
        },
    )


def _is_default(module: Any, field: Any) -> bool:
    return getattr(module, field.name) is field.default


def made(parts: Parts) -> Any:
    """Return the module that was taken apart."""
    return parts.kind(
        **{
            name: made(part) if isinstance(part, Parts) else pickles.unpacked(part)
            for name, part in parts.arguments.items()
        }
    )
