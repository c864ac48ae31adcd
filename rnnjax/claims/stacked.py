"""Claims one below the other, where a table of five columns does not fit."""

import textwrap
from collections.abc import Sequence

from rnnjax.claims.claim import Claim, expectation

_INDENT = 6


def stacked(claims: Sequence[Claim], width: int) -> list[str]:
    """Lays out each claim as its verdict and name, its numbers and its source.

    Args:
        claims: shown in the order given.
        width: columns to fill; only a single longer word exceeds it.

    Returns:
        Lines without a newline at the end.
    """
    return [line for claim in claims for line in _lines(claim, width)]


def _lines(claim: Claim, width: int) -> list[str]:
    verdict = "pass" if claim.passed else "FAIL"
    numbers = f"measured {claim.measured:.6g}, expected {expectation(claim)}"
    source = [f"source: {claim.source}"] if claim.source else []
    texts = [f"{verdict:<{_INDENT}}{claim.name}", *(" " * _INDENT + t for t in (numbers, *source))]
    return [line for text in texts for line in _wrapped(text, width)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * _INDENT,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )
