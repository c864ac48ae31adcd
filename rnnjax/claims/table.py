"""Claims as a text table of at most 110 columns."""

import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from rnnjax.claims.claim import Claim, expectation
from rnnjax.claims.stacked import stacked

_TABLE_WIDTH = 110
_CLAIM_WIDTH = 36
_SOURCE_LINES = 3
_NARROWEST_SOURCE = 16
_GAP = "  "
_HEADER = ("claim", "measured", "expected", "verdict", "source")


def claims_table(claims: Iterable[Claim], width: int = _TABLE_WIDTH) -> str:
    """Lays claims out as a plain text table of at most 110 columns.

    Args:
        claims: shown in the order given.
        width: columns at hand; where they are fewer than 110 the claims stand one below the other.

    Returns:
        Lines without a newline at the end: header, rule, the claims, and how many passed. Long
        names are wrapped; a source is wrapped, and shortened after three lines.
    """
    rows = list(claims)
    if not rows:
        return "no claims"
    passed = f"{sum(claim.passed for claim in rows)} of {len(rows)} claims passed"
    if width < _TABLE_WIDTH:
        return "\n".join([*stacked(rows, width), passed])
    return "\n".join([*_table(rows), passed])


def _table(rows: Sequence[Claim]) -> list[str]:
    numbers = [
        (f"{claim.measured:.6g}", expectation(claim), "pass" if claim.passed else "FAIL")
        for claim in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEADER[1:4], *numbers, strict=True)]
    names = [textwrap.wrap(claim.name, _CLAIM_WIDTH) or [""] for claim in rows]
    name_width = max(len(line) for lines in (*names, ["claim"]) for line in lines)
    used = name_width + sum(widths) + 4 * len(_GAP)
    source_width = max(_NARROWEST_SOURCE, _TABLE_WIDTH - used)
    sources = [_source_lines(claim.source, source_width) for claim in rows]
    widths = [name_width, *widths]
    lines = [_line(_HEADER, widths)]
    for name, number, source in zip(names, numbers, sources, strict=True):
        columns = [name, *([text] for text in number), source]
        lines += [_line(cells, widths) for cells in zip_longest(*columns, fillvalue="")]
    lines.insert(1, "-" * max(map(len, lines)))
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    name, measured, *others = cells
    padded = [f"{name:<{widths[0]}}", f"{measured:>{widths[1]}}"]
    padded += [f"{text:<{width}}" for text, width in zip(others, widths[2:], strict=False)]
    return _GAP.join([*padded, others[-1]]).rstrip()


def _source_lines(source: str, width: int) -> list[str]:
    return textwrap.wrap(source, width, max_lines=_SOURCE_LINES, placeholder=" ...") or [""]
