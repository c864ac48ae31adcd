"""Errors a user meets at the boundary, each in one line.

Every message has the form ``KEY: expected ..., got ...``. Whatever the user typed is echoed
through `one_line`, so a stray control character or a megabyte of input cannot break the line.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable


class ConfigError(ValueError):
    """A key of a config, or an option of the command line, that cannot be used.

    Args:
        key: dotted name of the key, as in ``axes.gain``.
        message: what was expected and what came.
    """

    def __init__(self, key: str, message: str) -> None:
        self.key = one_line(key, 80)
        self.message = one_line(message, 400)
        super().__init__(f"{self.key}: {self.message}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, str]]:
        """Pickle the two arguments: the error may be raised in a process of a pool."""
        return type(self), (self.key, self.message)


class SetupError(ConfigError):
    """The machine, or a variable of the environment, that does not let a command do its work.

    Args:
        key: name of the variable or of the part of the machine, as in ``JAX_PLATFORMS``.
        message: what was expected and what came.
    """


def one_line(text: str, limit: int = 60) -> str:
    """Escape what is not printable in `text` and cut it to `limit` characters."""
    return printable(text if len(text) <= limit else text[: limit - 3] + "...")


def printable(text: object) -> str:
    """`text`, such as a path, in one line and whole: what is not printable is escaped."""
    escaped = (
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )
    return "".join(escaped)


def shell_word(text: object) -> str:
    """`text` as one word of a shell command, in one line."""
    plain = str(text)
    if plain.isprintable():
        return shlex.quote(plain)
    quoted = plain.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{printable(quoted)}'"


def shown(value: object, limit: int = 60) -> str:
    """`value` as a message shows it: its repr, escaped and shortened."""
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"{len(value)} values"
    try:
        return one_line(repr(value), limit)
    except ValueError:  # an integer with more digits than Python converts
        return f"a {type(value).__name__} too long to show"


def suggestion(name: str, choices: Iterable[str]) -> str:
    """A ``(did you mean ...?)`` to append to a message, empty where nothing is close."""
    close = difflib.get_close_matches(name[:80], list(choices), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_of(name: str, choices: Iterable[str]) -> str:
    """The message that `name` is none of `choices`; a long list is cut, not what came."""
    known = sorted(choices)
    listed = one_line(", ".join(known), 280) if known else "nothing (none was found)"
    return f"expected one of {listed}, got {shown(name)}{suggestion(name, known)}"
