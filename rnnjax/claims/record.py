"""Claims as strict JSON, the content of claims.json."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from rnnjax.atomic_file import write_atomically
from rnnjax.claims.claim import Claim


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
    records = [_record(claim) for claim in ordered]
    document = records if code is None else {"claims": records, "code": dict(code)}
    return (
        json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _record(claim: Claim) -> dict[str, Any]:
    # docs/development/papers.md lists what is reproduced; the record of a result holds its numbers.
    fields = {key: value for key, value in asdict(claim).items() if key != "reproduces"}
    return {key: _strict(value) for key, value in fields.items()} | {"passed": claim.passed}


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
