"""A claim: a number that a cube holds, what it should be, and who says so."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from rnnjax.errors import shown

Relation = Literal["equal", "at_most", "at_least"]


@dataclass(frozen=True)
class Claim:
    """One measured number against its expected value.

    Attributes:
        name: what is claimed, unique among the claims of a cube.
        measured: the number found, in the unit that the name states.
        expected: the number to be found.
        tolerance: the largest deviation that still passes, in the same unit; finite, >= 0.
        source: an exact identity, or author, year, title, place.
        relation: "equal", "at_most" or "at_least" the expected number.
        reproduces: the published figure, table or formula that this number reproduces, if any.

    Raises:
        ValueError: the numbers are none, or the tolerance or the relation is none of these.

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
    reproduces: str = ""

    def __post_init__(self) -> None:
        # Array scalars come in from cubes; plain floats make the verdict a bool and JSON exact.
        for field in ("measured", "expected", "tolerance"):
            object.__setattr__(self, field, self._float(field))
        if self.relation not in get_args(Relation):
            raise ValueError(
                f"claim {self.name!r}: expected a relation of {get_args(Relation)}, "
                f"got {self.relation!r}"
            )
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ValueError(
                f"claim {self.name!r}: expected a finite tolerance >= 0, got {self.tolerance}"
            )

    def _float(self, field: str) -> float:
        value = getattr(self, field)
        try:
            return float(value)
        except (TypeError, ValueError):
            message = f"expected {field} to be a real number, got {shown(value)}"
            raise ValueError(f"claim {self.name!r}: {message}") from None

    @property
    def passed(self) -> bool:
        """Whether the measured number is as expected; an infinity may be, a NaN never is."""
        if self.relation == "at_most":
            return self.measured <= self.expected + self.tolerance
        if self.relation == "at_least":
            return self.measured >= self.expected - self.tolerance
        same = self.measured == self.expected  # inf - inf is NaN
        return same or abs(self.measured - self.expected) <= self.tolerance


def expectation(claim: Claim) -> str:
    """Writes what a claim expects, as in "= 0.5 +/- 0.01"."""
    sign, slack = {"equal": ("=", "+/-"), "at_most": ("<=", "+"), "at_least": (">=", "-")}[
        claim.relation
    ]
    return f"{sign} {claim.expected:.6g} {slack} {claim.tolerance:.2g}"
