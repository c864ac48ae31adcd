"""Names of groups, safe as names of files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

_UNSAFE = re.compile(r"[^A-Za-z0-9._=+-]")
_JOINT = re.compile(r"\+\w+=")  # in a value it reads like the next axis


def group_id(static: Mapping[str, Any]) -> str:
    """The id of a group: ``name=value`` joined by ``+``, and a short hash where that was unsafe.

    Capitals count as unsafe too: some file systems do not tell them apart. So does a value in which
    another axis seems to begin, as in ``1+b=2``.
    """
    plain = "+".join(f"{name}={value}" for name, value in static.items()) or "all"
    safe = safe_name(plain)[:90]
    if any(_JOINT.search(str(value)) for value in static.values()):
        plain = repr({name: str(value) for name, value in static.items()})
    if safe == plain and plain == plain.lower():
        return plain
    return f"{safe}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def safe_name(text: str) -> str:
    """Text as a part of a file name."""
    return _UNSAFE.sub("_", text)
