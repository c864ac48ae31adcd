"""Who is at work in a folder of results, so that a second process can say so.

Nothing depends on it: any number of processes may share a store. What is held is an advisory lock
on the folder itself. The kernel releases it when the process ends, however it ends, and no file is
left that could grow stale. Where locks are not to be had (Windows, some network file systems)
nobody is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where states of sweeps are read without it
    fcntl = None  # type: ignore[assignment]


@contextmanager
def at_work(folder: Path) -> Iterator[bool]:
    """Be at work in `folder` within the block; yields whether another process is, too."""
    descriptor = _opened(folder)
    if descriptor is None:
        yield False
        return
    try:
        others = _held_by_others(descriptor)
        with suppress(OSError):
            # Shared from now on: no later process can have it alone.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield others
    finally:
        os.close(descriptor)


def is_at_work(folder: Path) -> bool:
    """Whether a process is at work in `folder`."""
    with at_work(folder) as others:
        return others


def _opened(folder: Path) -> int | None:
    """A descriptor of a folder that can be locked; None where there is none."""
    if fcntl is None or not hasattr(os, "O_DIRECTORY"):
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None


def _held_by_others(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks on this file system
        return False
    return False
