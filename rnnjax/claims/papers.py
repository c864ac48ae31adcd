"""The page of published figures: what was published beside what is found here, from the claims."""

from collections.abc import Iterable
from dataclasses import dataclass

from rnnjax.claims.claim import Claim, expectation

_HEADER = ("paper", "number", "published or exact", "here", "verdict", "check", "run time")
_TITLE = """# Published figures and their numbers

Every row is a claim of an experiment, checked against its committed cube; `make papers-page` prints
this page from the cubes, `make papers` runs the sweeps again first. Where no number was published,
the exact one stands in its place. A number that does not reproduce stays here as such.

"""


@dataclass(frozen=True)
class Reproduced:
    """A claim that reproduces something published, and where it was found.

    Attributes:
        claim: the number; its `reproduces` names the paper and the figure, table or formula.
        folder: the folder of the result, below results/.
        run_time: of the experiment, as its docstring says.
    """

    claim: Claim
    folder: str
    run_time: str


def papers_page(found: Iterable[Reproduced]) -> str:
    """Writes the page as Markdown, sorted by paper."""
    rows = [_row(one) for one in sorted(found, key=lambda one: one.claim.reproduces)]
    return _TITLE + "\n".join([_line(_HEADER), _line(["---"] * len(_HEADER)), *rows]) + "\n"


def _row(one: Reproduced) -> str:
    claim = one.claim
    return _line(
        (
            claim.reproduces,
            claim.name,
            expectation(claim),
            f"{claim.measured:.6g}",
            "yes" if claim.passed else "**no**",
            f"`rnnjax check results/{one.folder}`",
            one.run_time,
        )
    )


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
