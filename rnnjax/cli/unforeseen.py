"""Errors that nobody foresaw: one line on the terminal, the traceback in a file."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from rnnjax.errors import one_line, printable


def told(error: BaseException, folder: Path | None = None) -> str:
    """The line about an unforeseen error, whose traceback is kept in a new file.

    Args:
        error: the error.
        folder: where to keep it, if it is there and can be written to; then the folder for
            temporary files, then the working directory.
    """
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    path = _kept("".join(traceback.format_exception(error)), folder)
    where = "in no file: no folder can be written to" if path is None else f"in {printable(path)}"
    return f"{one_line(said, 300)} (unforeseen; traceback {where})"


def _kept(text: str, folder: Path | None) -> Path | None:
    """The file that holds `text`, readable by its owner alone; None where none can be made."""
    content = f"{sys.version}\n{text}".encode(errors="backslashreplace")
    for one in _folders(folder):
        try:
            descriptor, name = tempfile.mkstemp(".txt", "rnnjax-error-", one)
        except OSError:
            continue
        try:
            os.write(descriptor, content)
            return Path(name)
        except OSError:  # a full disk: an empty file tells nothing
            os.unlink(name)
        finally:
            os.close(descriptor)
    return None


def _folders(folder: Path | None) -> Iterator[str]:
    if folder is not None and os.path.isdir(folder):
        yield str(folder)
    try:
        yield tempfile.gettempdir()
    except OSError:  # not even the working directory can be written to
        return
    yield "."
