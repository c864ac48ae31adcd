"""What is wrong with a config, in one line: pydantic's errors in the words of this package."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rnnjax.errors import ConfigError, shown, suggestion


def config_error(model: type[BaseModel], error: ValidationError, prefix: str = "") -> ConfigError:
    """The first thing that is wrong with a config, and how many more there are.

    Args:
        model: the model that was to be validated.
        error: its error.
        prefix: what precedes the keys of the model, as in ``axes.case.``.
    """
    first, *others = error.errors()
    cause = first.get("ctx", {}).get("error")
    more = f" (and {len(others)} more)" if others else ""
    if isinstance(cause, ConfigError):
        return ConfigError(prefix + cause.key, cause.message + more)
    path = tuple(part for part in first["loc"] if isinstance(part, str))
    return ConfigError(prefix + ".".join(path) or "config", _text(model, path, first) + more)


def model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that holds the keys below `path`, None where `path` leads to no model."""
    for name in path:
        field = model.model_fields.get(name)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return None
        model = annotation
    return model


def _text(model: type[BaseModel], path: tuple[str, ...], error: ErrorDetails) -> str:
    message = error["msg"]
    if error["type"] == "extra_forbidden":
        holder = model_at(model, path[:-1])
        known = list(holder.model_fields) if holder else []
        near = suggestion(path[-1], known)
        return f"unknown key, expected one of {', '.join(known)}{near}"
    if error["type"] in ("value_error", "assertion_error"):
        return str(error["ctx"]["error"])
    if message.startswith("Input should be "):
        wanted = message.removeprefix("Input should be ")
        than = wanted.startswith(("greater", "less"))
        message = f"expected a number {wanted}" if than else f"expected {wanted}"
    return f"{message}, got {shown(error['input'])}"
