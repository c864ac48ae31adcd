"""Writing a whole file or nothing."""

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Puts `content` at `path`, so that a reader finds the old file or the new one, never a part.

    Args:
        path: where the file shall lie; missing folders are made.
        content: the bytes of the whole file.

    Raises:
        OSError: the folder cannot be written; the old file, if any, is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same folder, because os.replace is atomic only inside one file system; the process id,
    # because two processes may draw the same figure.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # a disk that is full names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)
