"""Standard streams that are closed, full, in a narrow encoding, or without a reader.

The work of a command does not depend on who reads its output. If a stream can no longer be written,
its output is discarded and the command continues: after a broken pipe (``| head``) or a closed
terminal without a message, after any other error of standard output with a one-line message and
exit status 4 at the end.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any, TextIO

_NO_READER = (errno.EPIPE, errno.EIO)  # EIO: the terminal was closed


def prepare() -> None:
    """Make standard output and error safe to write to; call once, when a process starts."""
    _open_closed()
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _forgiving(1, sys.stdout)
    sys.stderr = _forgiving(2, sys.stderr)


def lost_output() -> str | None:
    """The reason why output was lost; None if none was, or if its reader had gone."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    fault = getattr(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer), "fault", None)
    if fault is None or fault.errno in _NO_READER:
        return None
    return f"standard output: {fault.strerror}: some of the output is lost"


class _Stream(io.FileIO):
    """A descriptor that accepts all data, and discards it after the first failed write."""

    fault: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`; discard it if this or an earlier write fails."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.fault is None:
                number = super().write(rest)
                if number is None:
                    # Another process has made the descriptor non-blocking: wait until it is ready.
                    select.select([], [self.fileno()], [])
                rest = rest[number or 0 :]
        except OSError as error:
            self.fault = error
        return size


def _open_closed() -> None:
    """Open the null device where a standard stream is closed.

    Otherwise the next file that is opened would get the number of the stream, and the output of XLA
    would be written to that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def _forgiving(number: int, stream: TextIO | None) -> TextIO:
    """A text stream on a descriptor, with the encoding and the buffering of the given one."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    errors = getattr(stream, "errors", None) or "strict"
    lossless = "backslashreplace" if errors in ("strict", "surrogateescape") else errors
    unbuffered = bool(getattr(stream, "write_through", False))  # python -u
    raw: Any = _Stream(number, "w", closefd=False)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=encoding,
        errors=lossless,
        line_buffering=number == 2 or os.isatty(number),
        write_through=unbuffered,
    )
