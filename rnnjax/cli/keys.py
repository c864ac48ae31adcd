"""The keys of an experiment's config, as ``rnnjax run EXPERIMENT --help`` shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rnnjax.cli.text import hanging
from rnnjax.sweep.spec import AxisKind, NameOf

_BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", ">="), (Lt, "lt", "<"), (Le, "le", "<="))


def keys_help(model: type[BaseModel]) -> str:
    """One entry for every key of `model`: option, type, default and description."""
    return "\n".join(hanging(f"  {option}", told, 24) for option, told in _entries(model, ""))


def _entries(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _entries(annotation, f"{prefix}{name}.")
        else:
            option = f"--{prefix}{name}".replace("_", "-")
            described = f"; {field.description}" if field.description else ""
            yield option, f"{_type_of(field)}{described} ({_default(field)})"


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"default {json.dumps(field.default)}"


def _type_of(field: FieldInfo) -> str:
    axes = [mark.kind for mark in field.metadata if isinstance(mark, AxisKind)]
    if axes:
        return f"{axes[0]} axis of {_described(get_args(field.annotation)[0], ())}"
    return _described(field.annotation, field.metadata)


def _described(annotation: Any, marks: Sequence[Any]) -> str:
    if get_origin(annotation) is Annotated:
        plain, *inner = get_args(annotation)
        return _described(plain, [*inner, *marks])
    names = [sorted(mark.choices()) for mark in marks if isinstance(mark, NameOf)]
    if get_origin(annotation) is Literal:
        names = [list(map(str, get_args(annotation)))]
    if names:
        return "|".join(names[0])
    plain = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return " ".join([plain, *_bounds(marks)])


def _bounds(marks: Sequence[Any]) -> list[str]:
    return [
        f"{sign} {getattr(mark, name)}"
        for kind, name, sign in _BOUNDS
        for mark in marks
        if isinstance(mark, kind)
    ]
