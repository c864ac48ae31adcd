"""Makes reStructuredText of docstrings that are plain text.

In the package a docstring is read as text: equations are indented, names stand in single backticks,
and `*`, `|` and a trailing `_` mean themselves. This extension, which runs after napoleon, escapes
these and turns indented blocks into literal ones. Bullets, tables, fields, directives and doctests
stay as they are.
"""

import re
from typing import Any

_KEPT = re.compile(r"(``.+?``|`[^`]+`_?|\\.|:\w+(?: [\w*\\.]+)*:(?= |$))")
_SPECIAL = re.compile(r"[*|]|_(?=\W|$)")
_LIST = re.compile(r"([-*+]|\d+\.|\(?[a-z0-9]\)) ")


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the lines of one docstring in place."""
    lines[:] = converted(lines)


def converted(lines: list[str]) -> list[str]:
    """Return the lines as reStructuredText."""
    out: list[str] = []
    opener = ""  # the last line without indentation: what an indented line belongs to
    literal = False
    for line, in_table in zip(lines, _tables(lines), strict=True):
        indented = line.startswith(" ") or in_table == "shown"
        if line.strip() and not indented:
            literal, opener = False, line
        elif line.strip() and not literal and (in_table == "shown" or not _holds_blocks(opener)):
            literal = True
            while out and not out[-1].strip():
                out.pop()
            out += ["", ".. code-block:: none", ""]
        if literal:
            out.append(f"  {line}" if line.strip() else line)
            continue
        if out and _begins_list(line, out[-1]):
            out.append("")
        as_is = in_table or opener.startswith((">>>", ".. "))
        out.append(line if as_is and not opener.startswith(".. rubric") else _escaped(line))
    return out


def _tables(lines: list[str]) -> list[str]:
    """For each line: "" outside of tables, "read", or "shown" in a table with markup characters."""
    kinds = [""] * len(lines)
    start = None
    for n, line in enumerate([*lines, ""]):
        if start is None and re.fullmatch(r"=+( +=+)+", line.strip()):
            start = n
        elif start is not None and not line.strip():
            text = "\n".join(lines[start:n])
            kinds[start:n] = ["shown" if re.search(r"[*|]", text) else "read"] * (n - start)
            start = None
    return kinds


def _begins_list(line: str, before: str) -> bool:
    in_list = not before.strip() or before.startswith(" ") or bool(_LIST.match(before))
    return bool(_LIST.match(line)) and not in_list


def _holds_blocks(opener: str) -> bool:
    """Whether indented lines below a line are parts of it: of a list, a field, a directive."""
    return opener.startswith((":", ".. ", ">>>")) or bool(_LIST.match(opener))


def _escaped(line: str) -> str:
    parts = _KEPT.split(line)
    return "".join(p if n % 2 else _SPECIAL.sub(r"\\\g<0>", p) for n, p in enumerate(parts))


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what every NamedTuple and every dataclass has and nobody wrote."""
    text = getattr(obj, "__doc__", None) or ""
    if text.startswith(("Alias for field number", "Return a new object replacing specified")):
        return True
    return None


def setup(app: Any) -> dict[str, bool]:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", process, priority=600)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}
