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
from rnnjax.sweep.request import Request, request_of
from rnnjax.sweep.setting import Setting, annotation_of, item_type

MAX_BYTES = 1_000_000
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


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of at most one megabyte.

    Raises:
        ConfigError: naming the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(str(path), f"expected at most {MAX_BYTES} bytes, got more")
        return tomllib.loads(content.decode("utf-8-sig"))  # editors may put a mark before the text
    except OSError as error:
        told = f"cannot read {one_line(str(path), 250)}: {error.strerror}"
        raise ConfigError("config", told) from None
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(str(path), "expected TOML, got lists nested too deeply") from None
    except UnicodeDecodeError as error:
        told = f"expected TOML in UTF-8, got byte {error.object[error.start]:#04x}"
        raise ConfigError(str(path), f"{told} at position {error.start}") from None
    except ValueError as error:
        raise ConfigError(str(path), f"expected TOML, got an error: {error}") from None


def _file_data(experiment: Experiment, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.config is not None and arguments.quick:
        raise ConfigError("config", "expected --config or --quick, got both")
    if arguments.config is not None:
        if not arguments.config or "\0" in arguments.config:
            raise ConfigError("config", f"expected a file name, got {shown(arguments.config)}")
        return read_toml(Path(arguments.config))
    path = experiment.toml("quick" if arguments.quick else "")
    if arguments.quick and not path.is_file():
        raise ConfigError("quick", f"expected {path} beside the experiment, got none")
    return read_toml(path) if path.is_file() else {}


def _refuse_foreign(
    experiment: Experiment, data: dict[str, Any], arguments: argparse.Namespace
) -> None:
    """Raise ConfigError where no key of a file is one of the config: it is for something else."""
    known = model_of(experiment.setting).model_fields
    if data and not set(data) & set(known):
        told = f"expected the config of {one_line(arguments.experiment)}, with keys like "
        told += f"{', '.join(list(known)[:6])}, got {', '.join(map(shown, list(data)[:6]))}"
        raise ConfigError(str(arguments.config or "config"), told)


def _lay_over(setting: type[Setting], data: dict[str, Any], key: str, text: str) -> None:
    """Put an option in its place; a value replaces an axis of the file, and an axis a value."""
    *path, last = key.split(".")
    if not all((*path, last)):
        raise ConfigError("usage", f"expected a key after --, got {shown(key)}")
    whole = data
    for name in path:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise ConfigError(key, f"expected {name} to be a table, got {shown(data)}")
    data[last] = text if _takes_text(setting, path, last) else _scalar(text)
    replaced = whole if path == ["axes"] else whole.get("axes") if not path else None
    if isinstance(replaced, dict) and last in setting.model_fields:
        replaced.pop(last, None)


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
