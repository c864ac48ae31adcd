"""What is wrong with a config, in one line: pydantic's errors in the words of this package."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rnnjax.errors import ConfigError, shown, suggestion
from rnnjax.sweep.spec import Config, NameOf, item_type, model_at


def config_error(model: type[Config], error: ValidationError) -> ConfigError:
    """The first thing that is wrong with a config, and how many more there are."""
    first, *others = error.errors()
    cause = first.get("ctx", {}).get("error")
    more = f" (and {len(others)} more)" if others else ""
    if isinstance(cause, ConfigError):
        return ConfigError(cause.key, cause.message + more)
    path = tuple(part for part in first["loc"] if isinstance(part, str))
    return ConfigError(".".join(path) or "config", _told(model, path, first) + more)


def _example(model: type[Config], path: tuple[str, ...]) -> str:
    """How axes that are missing may be written; empty for any other key."""
    axes = model.model_fields["axes"].annotation
    if path[:1] != ("axes",) or not (isinstance(axes, type) and issubclass(axes, BaseModel)):
        return ""
    names = [path[1]] if path[1:] else list(axes.model_fields)
    lines = [f"{name} = {_sample(axes.model_fields[name].annotation)}" for name in names]
    return f"; as in: [axes] {', '.join(lines)}"


def _sample(annotation: Any) -> str:
    """An axis of a few values, as TOML has it."""
    samples = {bool: "[true, false]", int: '"range(8)"', float: '"lin(0.5, 2, 16)"'}
    return samples.get(item_type(annotation)) or json.dumps(_names(get_args(annotation)[0])[:2])


def _names(item: Any) -> list[str]:
    """The names that the values of an axis may have, where they are listed."""
    if get_origin(item) is Literal:
        return list(map(str, get_args(item)))
    marks = get_args(item)[1:] if get_origin(item) is Annotated else ()
    return [name for mark in marks if isinstance(mark, NameOf) for name in mark.choices()] or [
        "..."
    ]


def _below(model: type[Config], path: tuple[str, ...]) -> str:
    """A hint at the axis of the name of an unknown key."""
    axes = model.model_fields["axes"].annotation
    known = axes.model_fields if isinstance(axes, type) and issubclass(axes, BaseModel) else {}
    return f" (did you mean 'axes.{path[-1]}'?)" if len(path) == 1 and path[0] in known else ""


def _told(model: type[Config], path: tuple[str, ...], error: ErrorDetails) -> str:
    message = error["msg"]
    if error["type"] == "missing":
        return f"expected a value, got nothing{_example(model, path)}"
    if error["type"] == "extra_forbidden":
        holder = model_at(model, path[:-1])
        known = list(holder.model_fields) if holder else []
        near = suggestion(path[-1], known) or _below(model, path)
        return f"unknown key, expected one of {', '.join(known)}{near}"
    if error["type"] in ("value_error", "assertion_error"):
        return str(error["ctx"]["error"])
    if message.startswith("Input should be "):
        wanted = message.removeprefix("Input should be ")
        than = wanted.startswith(("greater", "less"))
        message = f"expected a number {wanted}" if than else f"expected {wanted}"
    return f"{message}, got {shown(error['input'])}"
