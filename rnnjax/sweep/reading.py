"""Which fields of a setting a function reads.

What a function computes depends on the fields alone that it reads, so that cells which agree in
these share the result. A setting that records is passed to the function while jax traces it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rnnjax.sweep.setting import Setting, made, register


def recording(setting: Setting) -> tuple[Any, set[str]]:
    """A setting with the same values, and the set to which the names of read fields are added."""
    read: set[str] = set()
    recorder = made(_recorder(type(setting)), setting.__dict__)
    object.__setattr__(recorder, "__pydantic_private__", read)
    return recorder, read


@cache
def _recorder(cls: type[Setting]) -> Any:
    fields = frozenset(cls.model_fields)

    def getattribute(self: Any, name: str) -> Any:
        if name in fields:
            object.__getattribute__(self, "__pydantic_private__").add(name)
        elif name == "__dict__" or name.startswith("model_dump"):
            object.__getattribute__(self, "__pydantic_private__").update(fields)
        return object.__getattribute__(self, name)

    # A plain subclass, without pydantic's work on its fields: they are the same.
    recorder = type.__new__(type(cls), cls.__name__, (cls,), {"__getattribute__": getattribute})
    register(recorder)
    return recorder
