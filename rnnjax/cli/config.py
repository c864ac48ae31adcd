"""From TOML and the command line to one validated config."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnjax.cli.arguments import SWITCHES, VALUED
from rnnjax.errors import ConfigError, one_line, shown, suggestion
from rnnjax.sweep.config import model_of
from rnnjax.sweep.experiment import Experiment, load
from rnnjax.sweep.overlay import lay_over
from rnnjax.sweep.request import Request, request_of
from rnnjax.sweep.setting import RESERVED, Setting, annotation_of, item_type
from rnnjax.sweep.toml_files import MAX_BYTES, read_toml, toml_beside

Override = tuple[str, str]


def requested(arguments: argparse.Namespace, overrides: Sequence[Override]) -> Request:
    """The sweep that a command line asks for.

    Raises:
        ConfigError: naming the first thing that is wrong with it.
    """
    experiment = load(arguments.experiment)
    data = _file_data(experiment, arguments)
    _refuse_foreign(experiment, data, arguments)
    for key, text in overrides:
        _lay_over(experiment.setting, data, key, text)
    _check_repeated(overrides)
    try:
        return request_of(experiment, data, "float64" if arguments.x64 else experiment.precision)
    except ConfigError as error:
        raise _with_option(error, overrides) from None


def _file_data(experiment: Experiment, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.config is not None and arguments.quick:
        raise ConfigError("config", "expected --config or --quick, got both")
    if arguments.config is not None:
        if not arguments.config or "\0" in arguments.config:
            raise ConfigError("config", f"expected a file name, got {shown(arguments.config)}")
        return read_toml(Path(arguments.config))
    return toml_beside(experiment, "quick" if arguments.quick else "standard")


def _refuse_foreign(
    experiment: Experiment, data: dict[str, Any], arguments: argparse.Namespace
) -> None:
    """Raise ConfigError where no key of a file is one of the config: it is for something else."""
    known = model_of(experiment.setting).model_fields
    if data and not set(data) & set(known):
        message = f"expected the config of {one_line(arguments.experiment)}, with keys like "
        message += f"{', '.join(list(known)[:6])}, got {', '.join(map(shown, list(data)[:6]))}"
        raise ConfigError(str(arguments.config or "config"), message)


def _lay_over(setting: type[Setting], data: dict[str, Any], key: str, text: str) -> None:
    *path, last = key.split(".")
    if not all((*path, last)):
        raise ConfigError("usage", f"expected a key after --, got {shown(key)}")
    lay_over(data, key, text if _takes_text(setting, path, last) else _scalar(text))


def _takes_text(setting: type[Setting], path: list[str], name: str) -> bool:
    """Whether a value is text whatever it looks like: strings, also along an axis."""
    known = name in setting.model_fields and path[:1] in ([], ["axes"])
    return known and item_type(annotation_of(setting, name)) is str


def _scalar(text: str) -> Any:
    """What TOML reads in `text`, or `text` itself where it is no TOML value."""
    if len(text) > MAX_BYTES or any(character in text for character in "\r\n"):
        return text
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = read["value"]
    return value if len(read) == 1 and isinstance(value, bool | int | float | list | str) else text


def _check_repeated(overrides: Sequence[Override]) -> None:
    keys = [key for key, _ in overrides]
    for key, text in overrides:
        if keys.count(key) > 1:
            raise ConfigError(key, f"expected one value, got {keys.count(key)}")
        if key not in RESERVED and f"axes.{key}" in keys:  # the later one would silently win
            both = f"{shown(text)} and axes.{key} {shown(dict(overrides)[f'axes.{key}'])}"
            raise ConfigError(key, f"expected a value or an axis, got {both}")
        for below in keys:
            if below.startswith(f"{key}."):
                raise ConfigError(below, f"expected {key} to be a table, got {shown(text)}")


def _with_option(error: ConfigError, overrides: Sequence[Override]) -> ConfigError:
    """Point to an option of the command itself where an unknown key was meant to be one."""
    fixed = [option.removeprefix("--") for option in (*VALUED, *SWITCHES)]
    near = suggestion(error.key, fixed)
    misspelt = error.message.startswith("unknown key") and "did you mean" not in error.message
    if misspelt and near and error.key in dict(overrides):
        return ConfigError(error.key, error.message + near.replace("mean '", "mean '--"))
    return error
