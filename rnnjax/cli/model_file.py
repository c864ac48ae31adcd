"""A Python file that defines the program to diagnose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from rnnjax.errors import ConfigError, printable, shown
from rnnjax.sweep.experiment import line_in

_NAME = "rnnjax_diagnosed"
_NEEDED = ("loss", "params", "examples")


class Program(NamedTuple):
    """What `rnnjax.diagnose` takes."""

    loss: Callable[[Any, Any], Any]
    params: Any
    examples: Any
    title: str


@contextmanager
def importable(path: Path) -> Iterator[None]:
    """Have the modules beside a file found, as Python does for the script that it runs."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
        sys.modules.pop(_NAME, None)


def read(path: Path) -> Program:
    """Execute a file, not as ``__main__``, and return what it defines.

    Raises:
        ConfigError: it cannot be executed, or something is missing.
    """
    module = ModuleType(_NAME)
    module.__file__ = str(path)
    sys.modules[_NAME] = module  # dataclasses and pickles look there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise failed(path, error) from error
    missing = [name for name in _NEEDED if not hasattr(module, name)]
    if missing:
        message = f"expected loss(params, example), params and examples in {printable(path)}"
        raise ConfigError("source", f"{message}, got no {', '.join(missing)}")
    title = getattr(module, "title", path.stem)
    if not isinstance(title, str):
        raise ConfigError("title", f"expected text in {printable(path)}, got {shown(title)}")
    return Program(module.loss, module.params, module.examples, title)


def failed(path: Path, error: BaseException) -> ConfigError:
    """Return the error of a file in one line, with its own line in the file."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = f"{printable(path)}{line_in(path, error)}"
    return ConfigError("source", f"{where}: {' '.join(message.split())}")
