"""Durable files: a reader sees the old file or the new one, whenever the writer is killed.

A file is written under another name on the same file system, read back, flushed to the disk, and
only then linked to its final name; the folder is flushed last. A link refuses a name that exists,
so of two writers exactly one wins, and the other compares its bytes with the winner's.

JSON files are sealed: each holds the sha256 of its content and is laid out in one way only, so
that a change of any byte is noticed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rnnjax.errors import SetupError, one_line

JSON_LIMIT = 16 * 2**20  # bytes
SPACE, PLACE = "; free some space, then resume", "; choose another folder with --out"
HINTS = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EROFS: PLACE,
    errno.EEXIST: " and is no folder" + PLACE,
    errno.ENOTDIR: PLACE,
    errno.ENAMETOOLONG: PLACE,
    errno.ELOOP: PLACE,
    errno.EACCES: PLACE,
    errno.EPERM: PLACE + ", on a file system that has hard links",
    errno.EOPNOTSUPP: PLACE + ", on a file system that has hard links",
}

# Errors that say nothing about the file: taken for damage, they would cost what is sound.
OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

# Every change to the disk goes through one of these names, looked up when it is called, so that a
# test can stop the world at the k-th of them.
make_folder, write, sync = os.makedirs, os.write, os.fsync
link, replace, unlink = os.link, os.replace, os.unlink


def check_system() -> None:
    """Refuses a system on which a folder cannot be opened, and so not be flushed to the disk.

    Raises:
        SetupError: it is none with POSIX folders.
    """
    if not hasattr(os, "O_DIRECTORY"):
        raise SetupError(
            "out",
            "expected a POSIX system such as Linux or macOS, because results in a folder have to "
            f"survive a crash, got {sys.platform}; rnnjax.sweep.run without out computes here",
        )


def create(path: Path) -> int:
    """Creates a file that must not exist; returns its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)


class StoreError(Exception):
    """The store cannot do what was asked; the message is one line: the path and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(" ".join(message.split()), 400))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns an error of the operating system into a StoreError that names `path`.

    Raises:
        OSError: as it came, where it is one of `OF_THE_MACHINE`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        reason = error.strerror or str(error) or type(error).__name__
        if error.errno and "errno" in reason:  # HDF5 tells its own names and flags
            reason = os.strerror(error.errno)
        where = one_line(str(path), 250)  # so that the reason after it is not cut
        raise StoreError(f"{where}: {reason}{HINTS.get(error.errno or 0, '')}") from error


def ensure_folder(folder: Path) -> None:
    """Makes a folder, and the ones above it, where they do not exist."""
    with naming(folder):
        make_folder(folder, exist_ok=True)
        _sync_folder(folder.parent)


def commit_new(target: Path, data: bytes, scratch: Path) -> bool:
    """Makes a new file, once and for all.

    Args:
        target: the final name.
        data: the whole content.
        scratch: a folder on the same file system, for the file until it is complete.

    Returns:
        True if this call made the file, False if it was there already with the same bytes.

    Raises:
        StoreError: the file exists with other bytes, or the operating system refused.
    """
    made = True
    with naming(target):
        with _complete_file(target, data, scratch) as temporary:
            try:
                link(temporary, target)
            except FileExistsError:
                made = False
        if not made and sha256_of(target) != sha256(data):
            raise StoreError(f"{target}: holds other content than this run made; delete, resume")
        # Also when another writer won: it may have been killed before it flushed the folder.
        _sync_folder(target.parent)
    return made


def commit_over(target: Path, data: bytes, scratch: Path) -> None:
    """Makes a file in place of the one that has the name; arguments as for `commit_new`."""
    with naming(target):
        with _complete_file(target, data, scratch) as temporary:
            replace(temporary, target)
        _sync_folder(target.parent)


def remove(path: Path) -> None:
    """Removes a file, if it is there, so that it stays removed after a crash."""
    with naming(path), suppress(FileNotFoundError):
        unlink(path)
        _sync_folder(path.parent)


def sha256(data: bytes) -> str:
    """The sha256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """The sha256 of a regular file, in hexadecimal; StoreError where it cannot be read."""
    return sha256(read_bytes(path))


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The content of a regular file; StoreError where it is unreadable or above `limit` bytes."""
    with naming(path):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StoreError(f"{path}: no regular file")
        with open(path, "rb") as file:
            data = file.read(-1 if limit is None else limit + 1)
    if limit is not None and len(data) > limit:
        raise StoreError(f"{path}: longer than {limit} bytes")
    return data


def seal(content: Mapping[str, Any]) -> bytes:
    """A JSON file of `content` with a seal over it; ValueError or TypeError where it is no JSON."""
    bare = {key: value for key, value in content.items() if key != "seal"}
    text = json.dumps(bare, sort_keys=True, allow_nan=False)
    sealed = {**bare, "seal": sha256(text.encode())}
    data = (json.dumps(sealed, sort_keys=True, indent=1) + "\n").encode()
    if len(data) > JSON_LIMIT:
        raise StoreError(f"a JSON file of {len(data)} bytes is above the limit of {JSON_LIMIT}")
    return data


def read_sealed(path: Path) -> dict[str, Any]:
    """The content of a sealed JSON file, without the seal.

    Raises:
        StoreError: unreadable, too long, no JSON object, or changed since it was written.
    """
    data = read_bytes(path, JSON_LIMIT)
    try:
        content = json.loads(data)
        content.pop("seal")
        intact = seal(content) == data
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a sealed JSON object: {error}") from error
    if not intact:
        raise StoreError(f"{path}: changed after it was written: its seal does not fit")
    return content


@contextmanager
def _complete_file(target: Path, data: bytes, scratch: Path) -> Iterator[Path]:
    """A file on the disk with the content `data`, under a name of its own in `scratch`."""
    temporary = scratch / f"{target.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        _write_whole(temporary, data)
        yield temporary
    finally:
        # A name that stays behind does no harm, and must not hide the error that led here.
        with suppress(OSError):
            unlink(temporary)


def _write_whole(path: Path, data: bytes) -> None:
    """Writes, reads back and flushes a new file."""
    descriptor = create(path)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[write(descriptor, rest) :]
        if read_bytes(path) != data:
            raise StoreError(f"{path}: reads back other bytes than were written")
        sync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
