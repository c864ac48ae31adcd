"""Where a command may write a file."""

from __future__ import annotations

import os
from pathlib import Path

from rnnjax.errors import ConfigError, shown


def new_file(name: str, *endings: str, replace: bool) -> Path:
    """The path of a file that a command is to write, once nothing speaks against it.

    Args:
        name: as the user gave it.
        endings: those it may have, as ".html"; the message names the first.
        replace: whether a file of that name may be there already.

    Raises:
        ConfigError: it has another ending, is there already, or no file can be there. Said before
            anything is computed.
    """
    out = Path(name)
    if "\0" in name or out.suffix.lower() not in endings:
        raise ConfigError("out", f"expected a name that ends in {endings[0]}, got {shown(name)}")
    if out.is_dir():
        raise ConfigError("out", f"expected a file, got the folder {shown(name)}")
    if out.exists() and not replace:
        message = f"expected a new file, got {shown(name)}, which exists: give --replace"
        raise ConfigError("out", message)
    there = next(folder for folder in out.absolute().parents if os.path.lexists(folder))
    if not (there.is_dir() and os.access(there, os.W_OK)):
        reason = "no permission" if there.is_dir() else f"{shown(str(there))} is no folder"
        raise ConfigError("out", f"{shown(name)} cannot be written: {reason}")
    return out
