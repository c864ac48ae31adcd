"""Pickling of linen modules by their class and constructor arguments.

The default arguments of linen modules are nested functions, which pickle cannot find. A module is
therefore pickled as its class and the arguments that differ from the defaults, and rebuilt from
them.
"""

import dataclasses
from typing import Any, NamedTuple

from flax import linen

from rnnjax import pickles


class Parts(NamedTuple):
    """A linen module without its default arguments, which pickle cannot find."""

    kind: type
    arguments: dict[str, Any]


def taken_apart(module: linen.Module) -> Parts:
    """Return a module, and its submodules, as parts that can be pickled."""
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
    """Return the module rebuilt from its parts."""
    return parts.kind(
        **{
            name: made(part) if isinstance(part, Parts) else pickles.unpacked(part)
            for name, part in parts.arguments.items()
        }
    )
