"""Arguments of a sweep from Python: the config, the folder, the devices."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError, printable, shown
from rnnjax.lazy import jax
from rnnjax.sweep.experiment import Experiment
from rnnjax.sweep.toml_files import read_toml, toml_beside


def config_of(experiment: Experiment | None, config: Any) -> dict[str, Any]:
    """The config that fields are laid over; the caller's own stays as it is.

    Args:
        experiment: the experiment; None for a function, which has no config beside it.
        config: "standard", "quick", a path, a mapping, or None for an empty one.

    Raises:
        ConfigError: it is none of these, or cannot be read.
    """
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return copy.deepcopy(dict(config))
    path = _path(config)
    if path is None:
        expected = 'expected "standard", "quick", a path, a mapping or None'
        raise ConfigError("config", f"{expected}, got {shown(config)}")
    if config not in ("standard", "quick"):
        return read_toml(path)
    if experiment is not None:
        return toml_beside(experiment, str(config))
    if config == "quick":
        message = "expected a path, a mapping or None, because a function has no quick config"
        raise ConfigError("config", f"{message}, got {shown(config)}")
    return {}


def folder_of(out: Any) -> Path | None:
    """The folder for the results; it need not exist.

    Raises:
        ConfigError: no path, or the path of a file.
    """
    if out is None:
        return None
    path = _path(out)
    if path is None:
        raise ConfigError("out", f"expected the path of a folder or None, got {shown(out)}")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ConfigError("out", f"expected a folder, got {printable(path)}, which is none")
    return path


def devices_of(devices: Any) -> list[jax.Device] | None:
    """The devices to compute on; None for all.

    Raises:
        ConfigError: no devices of jax, or one of them twice.
    """
    if devices is None:
        return None
    given = list(devices) if isinstance(devices, Iterable) else []
    if not given or not all(isinstance(device, jax.Device) for device in given):
        raise ConfigError("devices", f"expected devices of jax or None, got {shown(devices)}")
    if len(set(given)) < len(given):
        raise ConfigError("devices", f"expected devices that differ, got {shown(given)}")
    return given


def _path(given: Any) -> Path | None:
    """A path that was given; None where it is none, or no system has it."""
    if isinstance(given, str | os.PathLike) and isinstance(os.fspath(given), str):
        path = os.fspath(given)
        return Path(path) if path and "\0" not in path else None
    return None
