"""Opening and saving spreadsheets: openpyxl where it is installed, and one line where it is not."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any

from rnnjax import lazy
from rnnjax.atomic_file import write_atomically
from rnnjax.errors import ConfigError, one_line, shown
from rnnjax.lazy import openpyxl

_MAX_BYTES = 100_000_000  # of a file once unpacked: far more than any sheet of data pairs


def check_installed() -> None:
    """Raise ConfigError if openpyxl is not installed."""
    try:
        lazy.load(openpyxl)
    except ImportError:
        raise ConfigError(
            "workbook",
            "expected the extra 'xlsx' (openpyxl), which is not installed: "
            "pip install 'rnnjax[xlsx]'",
        ) from None


def read_rows(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    """Return the values of a sheet, row by row; formulas give the value that was stored with them.

    Raises:
      ConfigError: the file is no spreadsheet, or has no such sheet.
    """
    check_installed()
    message = one_line(str(path))
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
        if size > _MAX_BYTES:
            raise ConfigError(message, f"expected at most {_MAX_BYTES} bytes unpacked, got {size}")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            if sheet not in book.sheetnames:
                found = ", ".join(book.sheetnames)
                raise ConfigError(message, f"expected a sheet {sheet!r}, got {found}")
            return _rectangle(list(book[sheet].iter_rows(values_only=True)))
        finally:
            book.close()
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(message, f"cannot be read: {error.strerror or error}") from None
    except Exception as error:  # whatever openpyxl meets in a damaged file
        raise ConfigError(message, f"expected an .xlsx file, got {type(error).__name__}") from None


def _rectangle(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the rows at one width, without empty rows at the end."""
    while rows and all(value is None for value in rows[-1]):
        rows.pop()
    width = max(map(len, rows), default=0)
    return [(*row, *[None] * (width - len(row))) for row in rows]


def save(book: Any, path: Path) -> None:
    """Write a workbook: the whole file, or none.

    Raises:
      ConfigError: the file cannot be written.
    """
    content = io.BytesIO()
    book.save(content)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(one_line(str(path)), f"cannot be written: {reason}") from None


def number(value: Any, where: str) -> float:
    """Return the number in a cell.

    Args:
      value: what the cell holds.
      where: its sheet and address, for the message.

    Raises:
      ConfigError: it holds no finite number.
    """
    if value is None:
        raise ConfigError(where, "expected a number, got an empty cell")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(where, f"expected a number, got {shown(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise ConfigError(where, f"expected a finite number, got {shown(value)}")
    return found
