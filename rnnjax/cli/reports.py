"""Reports of diagnoses on the terminal and in folders: all files of one, or none."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from rnnjax import figures, reports
from rnnjax.atomic_file import write_atomically
from rnnjax.cli.text import width
from rnnjax.errors import ConfigError, printable, shown
from rnnjax.lazy import rich
from rnnjax.sweep.files import PLACE, StoreError, naming

OF_A_REPORT = ("report.html", "report.nc", "figure.png")
OF_A_COMPARISON = ("comparison.html", "comparison.png")


def check_out(out: str | None, names: Sequence[str], *, replace: bool) -> None:
    """Test a folder to write to before anything is computed.

    Raises:
        ConfigError: it is a file, or holds such files already and they are not to be replaced.
        StoreError: it cannot be written.
    """
    if out is None:
        return
    folder = Path(out)
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigError("out", f"expected a folder, got the file {shown(out, 200)}")
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not replace:
        message = f"expected a folder without {there[0]}, got {shown(out, 200)}: give --replace"
        raise ConfigError("out", message)
    parent = folder
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise StoreError(f"{printable(out)}: {printable(parent)} cannot be written to{PLACE}")


def show(content: Any) -> None:
    """Print a report or a comparison as wide as the terminal, in colours if it has them."""
    if sys.stdout.isatty():
        rich.console.Console(width=width(), highlight=False).print(content)
    else:  # a file or another program: no spaces at the ends of lines
        print(reports.terminal.plain(content, width()))


def write(report: reports.Report, out: Path) -> None:
    """Write the page, the dataset and the figure of a report to a folder.

    Raises:
        StoreError: the folder cannot be written; it is then as it was.
    """
    contents = (reports.page.page(report).encode(), reports.file.encoded(report), _png(report))
    _put(out, dict(zip(OF_A_REPORT, contents, strict=True)))


def compare(arguments: Namespace) -> int:
    """Print two reports side by side, and write a page of them."""
    check_out(arguments.out, OF_A_COMPARISON, replace=arguments.replace)
    before, after = (_read(Path(folder)) for folder in arguments.compare)
    comparison = before.compare(after)
    contents = {}
    if arguments.out is not None:
        contents[OF_A_COMPARISON[0]] = reports.comparison_page.page(comparison).encode()
        if comparison.layers:
            contents[OF_A_COMPARISON[1]] = _png(comparison)
    show(comparison)
    if contents:
        _put(Path(arguments.out), contents)
    return 0


def _read(folder: Path) -> reports.Report:

    path = folder / OF_A_REPORT[1] if folder.is_dir() else folder
    with naming(path):
        content = path.read_bytes()

    try:
        report: reports.Report = reports.file.decoded(content)
    except ValueError as error:
        raise StoreError(f"{printable(path)}: {error}") from error
    return report


def _png(content: Any) -> bytes:
    stream = BytesIO()
    figure = content.figure()
    with figures.styled():
        figure.savefig(stream, format="png", backend="agg", dpi=200, metadata={"Software": None})
    return stream.getvalue()


def _put(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files to a folder beside it first, and then move them into place together."""
    stage = out.with_name(f".{out.resolve().name}.{os.getpid()}.tmp")
    with naming(out):
        try:
            for name, content in contents.items():
                write_atomically(stage / name, content)
            if out.is_dir():
                for name in contents:
                    os.replace(stage / name, out / name)
            else:
                os.rename(stage, out)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    for name in contents:
        print(f"{Path(name).stem:10}  {printable(out / name)}")
