"""How far a sweep is: a bar on a terminal, plain lines elsewhere; both on standard error."""

from __future__ import annotations

import math
import sys
import time
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self

from rnnjax.errors import one_line
from rnnjax.lazy import rich

SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """What the runner tells, one call after each step of its loop over chunks."""

    def __enter__(self) -> Self:
        """Start showing."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""
        ...

    def at(self, done: int, total: int, doing: str) -> None:
        """`done` of `total` steps are done; `doing` says what comes now."""
        ...


class Lines:
    """One line at the start, one every ten seconds, and one at the end with the time it took."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._last = -math.inf
        self._ended = False

    def __enter__(self) -> Self:
        """Start showing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""

    def at(self, done: int, total: int, doing: str) -> None:
        """Print a line, if it is time."""
        now = time.monotonic()
        ends = done == total and not self._ended
        if ends or now - self._last >= SECONDS_BETWEEN_LINES:
            self._last, self._ended = now, done == total
            message = one_line(doing, 120)
            took = f" ({now - self._started:.1f} s in all)" if ends else ""
            print(f"{done}/{total} steps, {message}{took}", file=sys.stderr, flush=True)


class Bar:
    """A bar with the time left, and in the end the time it took."""

    def __init__(self) -> None:
        self._bar = rich.progress.Progress(
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(elapsed_when_finished=True),
            rich.progress.TextColumn("{task.description}", markup=False),
            console=rich.console.Console(stderr=not _in_notebook()),
        )
        self._task: Any = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        """Start showing."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing."""
        self._bar.stop()

    def at(self, done: int, total: int, doing: str) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total, description=one_line(doing, 120))


class Silent:
    """Nothing is shown."""

    def __enter__(self) -> Self:
        """Show nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Show nothing."""

    def at(self, done: int, total: int, doing: str) -> None:
        """Show nothing."""


def shown_progress() -> Progress:
    """A bar in a notebook and where standard error is a terminal, lines elsewhere."""
    return Bar() if sys.stderr.isatty() or _in_notebook() else Lines()


def _in_notebook() -> bool:
    """Whether this is a Jupyter notebook that can show a bar."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell" and find_spec("ipywidgets") is not None
