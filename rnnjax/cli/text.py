"""Text for the available width: that of the terminal, that in COLUMNS, or else 80 columns.

Text is wrapped and never truncated, so that output to a file or another program is complete.
"""

from __future__ import annotations

import re
import shutil
import textwrap

_NARROWEST = 40


def width() -> int:
    """The number of columns to fill, at least 40."""
    return max(shutil.get_terminal_size().columns, _NARROWEST)


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces and before a ``|``, never within a word or a path."""

    wordsep_simple_re = re.compile(r"(\s+|(?=\|))")


def hanging(label: str, text: str, indent: int) -> str:
    """A label, and its text in a separate column, on as many lines as needed.

    Args:
        label: printed before the text; a long label occupies the first line alone.
        text: the text.
        indent: the first column of the text, smaller on a narrow terminal.
    """
    indent = min(indent, width() - 24)
    wrapper = _Wrapper(
        width() - 1,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines = wrapper.wrap(text) or [""]
    if len(label) + 2 > indent:
        return "\n".join([label, *lines]).rstrip()
    return "\n".join([label.ljust(indent) + lines[0][indent:], *lines[1:]]).rstrip()
