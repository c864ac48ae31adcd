"""Ctrl-C, SIGTERM and SIGHUP: the first asks the sweep to stop, the second ends it at once.

Python runs signal handlers between two bytecodes, so not while XLA compiles or computes. A thread
therefore reads the signals from a socket that the C-level handler writes to (a socket and no pipe,
because not every system has pipes that do not block): when the sweep has not stopped of itself
after a few seconds, the thread ends the process. That loses nothing, because the store is safe
against a kill at any moment.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self

EXIT = 130
PATIENCE = 3.5  # seconds; a sweep is to have stopped five seconds after the signal
HANGUP = getattr(signal, "SIGHUP", None)  # a terminal that was closed; not on Windows
SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANGUP)))


class Interrupts:
    """Watches for signals while a sweep runs.

    Args:
        message: the line to print when the process is ended.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self._asked = threading.Event()
        self._previous: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether the sweep should stop now."""
        return self._asked.is_set()

    def __enter__(self) -> Self:
        """Start watching."""
        self._reads, self._writes = socket.socketpair()
        self._writes.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writes.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            # Under nohup a terminal that is closed is none of the sweep's business.
            if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, lambda *_: None)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching and put the earlier handlers back."""
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._writes.send(b"\0")
        self._thread.join()
        self._reads.close()
        self._writes.close()

    def _watch(self) -> None:
        deadline = threading.Timer(PATIENCE, self.end)
        deadline.daemon = True
        while number := self._reads.recv(1)[0]:
            if number not in SIGNALS:
                continue
            if self._asked.is_set():
                self.end()
            self._asked.set()
            deadline.start()
            _tell(b"\nrnnjax: stopping (once more to stop at once)\n")
        deadline.cancel()

    def end(self) -> NoReturn:
        """Print the message and end the process at once.

        Python would wait for the threads that compile ahead; the store needs no such courtesy.
        """
        shows_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # the bar has hidden it
        _tell(f"{shows_cursor}\n{self.message}\n".encode())
        os._exit(EXIT)


def _tell(line: bytes) -> None:
    """Write to standard error past Python's buffers, if anybody reads there still."""
    with suppress(OSError):
        os.write(2, line)
