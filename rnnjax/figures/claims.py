"""Claims: the numbers that a figure stands for, each with what it should be and who says so."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any, Literal, get_args

from rnnjax import figures
from rnnjax.figures.atomic_file import write_atomically

Relation = Literal["equal", "at_most", "at_least"]

_TABLE_WIDTH = 110
_CLAIM_WIDTH = 36
_SOURCE_LINES = 3
_NARROWEST_SOURCE = 16
_GAP = "  "
_HEADER = ("claim", "measured", "expected", "verdict", "source")


@dataclass(frozen=True)
class Claim:
    """One measured number against its expected value.

    Attributes:
        name: what is claimed, unique in its figure.
        measured: the number found, in the unit that the name tells.
        expected: the number to be found.
        tolerance: how far off is still right, in the same unit; finite, not negative.
        source: who says so: an exact identity, or author, year, title, place.
        relation: "equal", "at_most" or "at_least" the expected number.

    Raises:
        ValueError: the tolerance or the relation is none of these.

    Example:
        >>> Claim("decay rate", 0.693, math.log(2), 1e-3, "closed form").passed
        True
    """

    name: str
    measured: float
    expected: float
    tolerance: float
    source: str
    relation: Relation = "equal"

    def __post_init__(self) -> None:
        # Array scalars come in from cubes; plain floats make the verdict a bool and JSON exact.
        for field in ("measured", "expected", "tolerance"):
            object.__setattr__(self, field, float(getattr(self, field)))
        if self.relation not in get_args(Relation):
            raise ValueError(
                f"claim {self.name!r}: expected a relation of {get_args(Relation)}, "
                f"got {self.relation!r}"
            )
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(
                f"claim {self.name!r}: expected a finite tolerance >= 0, got {self.tolerance}"
            )

    @property
    def passed(self) -> bool:
        """Whether the measured number is as expected; a NaN never is."""
        if self.relation == "at_most":
            return self.measured <= self.expected + self.tolerance
        if self.relation == "at_least":
            return self.measured >= self.expected - self.tolerance
        return abs(self.measured - self.expected) <= self.tolerance


def claims_to_json(claims: Iterable[Claim], code: Mapping[str, str] | None = None) -> str:
    """Writes claims as strict JSON that is the same text for the same claims.

    Args:
        claims: in any order, with names that differ.
        code: the fingerprints of the code behind them.

    Returns:
        A list of objects sorted by name, keys sorted, with the verdict as `passed`; with `code`
        an object of "claims", this list, and "code". JSON has no NaN and no infinity: they become
        the strings "nan", "inf" and "-inf".

    Raises:
        ValueError: two claims have one name.
    """
    ordered = sorted(claims, key=lambda claim: claim.name)
    for claim, following in pairwise(ordered):
        if claim.name == following.name:
            raise ValueError(f"expected claims with names that differ, got {claim.name!r} twice")
    records = [{**asdict(claim), "passed": claim.passed} for claim in ordered]
    strict = [{key: _strict(value) for key, value in record.items()} for record in records]
    told = strict if code is None else {"claims": strict, "code": dict(code)}
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _strict(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def write_claims(
    path: str | Path, claims: Iterable[Claim], code: Mapping[str, str] | None = None
) -> None:
    """Writes `claims_to_json` to a file, atomically.

    Args:
        path: the file; missing folders are made.
        claims: in any order, with names that differ.
        code: the fingerprints of the code behind them.

    Raises:
        ValueError: two claims have one name.
        OSError: the folder cannot be written.
    """
    write_atomically(Path(path), claims_to_json(claims, code).encode())


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
        return "\n".join([*figures.stacked_claims.stacked(rows, width), passed])
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


def expectation(claim: Claim) -> str:
    """Writes what a claim expects, as in "= 0.5 +/- 0.01"."""
    sign, slack = {"equal": ("=", "+/-"), "at_most": ("<=", "+"), "at_least": (">=", "-")}[
        claim.relation
    ]
    return f"{sign} {claim.expected:.6g} {slack} {claim.tolerance:.2g}"


def _source_lines(source: str, width: int) -> list[str]:
    return textwrap.wrap(source, width, max_lines=_SOURCE_LINES, placeholder=" ...") or [""]
