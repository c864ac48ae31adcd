"""The page of published figures: what was published beside what is found here, from the claims."""

from collections.abc import Iterable
from dataclasses import dataclass

from rnnjax.figures.claims import Claim, expectation

_HEADER = ("reproduces", "number", "published or exact", "here", "verdict", "command", "run time")
_TITLE = """# Published figures and their numbers

Every row is a claim of an experiment, checked against its committed cube; this page is printed by
`make papers-page`, and `make papers` runs the sweeps again first. A number that does not reproduce
stays here as such.
"""


@dataclass(frozen=True)
class Reproduced:
    """The claims of one result that reproduce something published.

    Attributes:
        experiment: its name.
        folder: the folder of the result, below results/.
        run_time: what its docstring says about it.
        claims: those with `reproduces`.
    """

    experiment: str
    folder: str
    run_time: str
    claims: list[Claim]


def papers_page(results: Iterable[Reproduced]) -> str:
    """Writes the page as Markdown, sorted by what is reproduced."""
    rows = [
        (claim.reproduces, i, _row(claim, result))
        for result in results
        for i, claim in enumerate(result.claims)
    ]
    rows.sort(key=lambda row: row[:2])
    lines = [_line(_HEADER), _line(["---"] * len(_HEADER)), *(row for _, _, row in rows)]
    return _TITLE + "\n" + "\n".join(lines) + "\n"


def _row(claim: Claim, result: Reproduced) -> str:
    command = f"`rnnjax check results/{result.folder}`"
    verdict = "yes" if claim.passed else "**no**"
    here = f"{claim.measured:.6g}"
    return _line(
        (claim.reproduces, claim.name, expectation(claim), here, verdict, command, result.run_time)
    )


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
