"""What ends a command beside usage: errors of files, and unforeseen ones with their traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from rnnjax.errors import one_line, printable
from rnnjax.sweep.files import OF_THE_MACHINE, StoreError


def ending(error: Exception, folder: Path | None = None) -> tuple[str, int]:
    """The message about an error of the store, the operating system or any other, and the status.

    Args:
        error: the error.
        folder: as for `message`.
    """
    if isinstance(error, StoreError):
        return str(error), 3
    # A name that no file can have, or a disk that fails while it is looked at.
    if isinstance(error, OSError) and error.errno not in OF_THE_MACHINE:
        where = "" if error.filename is None else f"{one_line(str(error.filename), 300)}: "
        return f"{where}{error.strerror or error}", 3
    return message(error, folder), 4


def message(error: BaseException, folder: Path | None = None) -> str:
    """The one-line message about an unforeseen error, whose traceback is written to a new file.

    Args:
        error: the error.
        folder: the preferred folder for the file, if it exists and can be written to; otherwise the
            folder for temporary files, then the working directory.
    """
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    path = _kept("".join(traceback.format_exception(error)), folder)
    where = "in no file: no folder can be written to" if path is None else f"in {printable(path)}"
    return f"{one_line(said, 300)} (unforeseen; traceback {where})"


def _kept(text: str, folder: Path | None) -> Path | None:
    """A new file with `text`, readable only by its owner; None if none can be made."""
    content = f"{sys.version}\n{text}".encode(errors="backslashreplace")
    for one in _folders(folder):
        try:
            descriptor, name = tempfile.mkstemp(".txt", "rnnjax-error-", one)
        except OSError:
            continue
        try:
            os.write(descriptor, content)
            return Path(name)
        except OSError:  # a full disk: leave no empty file
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
