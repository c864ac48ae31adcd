"""Text for the width at hand: of the terminal, of COLUMNS, or 80 columns elsewhere.

Text is wrapped and never cut: what goes into a file or another program is whole.
"""

from __future__ import annotations

import re
import shutil
import textwrap

_NARROWEST = 40


def width() -> int:
    """The number of columns to fill, 40 at least."""
    return max(shutil.get_terminal_size().columns, _NARROWEST)


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces and before a ``|``, and nowhere within a word or a path."""

    wordsep_simple_re = re.compile(r"(\s+|(?=\|))")


def hanging(label: str, text: str, indent: int) -> str:
    """A label and its text in a column of its own, as many lines as it takes.

    Args:
        label: what stands before the text; a long one has the first line to itself.
        text: the text.
        indent: where the column of the text begins, further left on a narrow terminal.
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
