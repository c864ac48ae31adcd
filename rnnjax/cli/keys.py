"""The keys of an experiment's config, as ``rnnjax run EXPERIMENT --help`` shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from rnnjax.cli.text import hanging
from rnnjax.sweep.config import model_of
from rnnjax.sweep.setting import NameOf, Setting, fields_of, kind_of

_AXES = (
    "an axis of any of these, as in --axes.gain 'lin(0.5,2,31)'; each static value is a program, "
    "traced ones run side by side; --axes.CASE.NAME for fields that vary together"
)
_BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", ">="), (Lt, "lt", "<"), (Le, "le", "<="))


def keys_help(setting: type[Setting]) -> str:
    """One entry for every key of a config: option, type, default and description."""
    entries = [*_entries(setting), ("--axes.NAME", _AXES)]
    return "\n".join(hanging(f"  {option}", text, 24) for option, text in entries)


def _entries(setting: type[Setting]) -> Iterator[tuple[str, str]]:
    axes = {name for axis in setting.axes for name in fields_of(axis)}
    for name, field in model_of(setting).model_fields.items():
        if name == "axes":
            continue
        kind = kind_of(setting, name) if name in setting.model_fields else ""
        described = f"; {field.description}" if field.description else ""
        swept = ", an axis of every cube" if name in axes else ""
        kinds = f"{kind} " if kind else ""
        option = f"--{name}".replace("_", "-")
        yield option, f"{kinds}{_type_of(field)}{described}{swept} ({_default(field)})"


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"default {json.dumps(field.default)}"


def _type_of(field: FieldInfo) -> str:
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
