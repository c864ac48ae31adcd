"""Reading configs from TOML files."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from rnnjax.errors import ConfigError, one_line
from rnnjax.sweep.experiment import Experiment

MAX_BYTES = 1_000_000


def toml_beside(experiment: Experiment, variant: str) -> dict[str, Any]:
    """The config beside an experiment, "standard" or "quick"; empty without a standard one.

    Raises:
        ConfigError: it cannot be read, or there is no quick one.
    """
    path = experiment.toml("" if variant == "standard" else variant)
    if variant != "standard" and not path.is_file():
        raise ConfigError(variant, f"expected {path} beside the experiment, got none")
    return read_toml(path) if path.is_file() else {}


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
        message = f"cannot read {one_line(str(path), 250)}: {error.strerror}"
        raise ConfigError("config", message) from None
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(str(path), "expected TOML, got lists nested too deeply") from None
    except UnicodeDecodeError as error:
        message = f"expected TOML in UTF-8, got byte {error.object[error.start]:#04x}"
        raise ConfigError(str(path), f"{message} at position {error.start}") from None
    except ValueError as error:
        raise ConfigError(str(path), f"expected TOML, got an error: {error}") from None
