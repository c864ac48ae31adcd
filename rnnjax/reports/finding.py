"""A finding: one sentence with the number, the threshold and the source behind it."""

import math
from dataclasses import dataclass
from enum import StrEnum

from rnnjax.reports.thresholds import Threshold


class Severity(StrEnum):
    """Whether something is to be done about a finding."""

    ALARM = "alarm"
    READING = "reading"


@dataclass(frozen=True)
class Finding:
    """One thing that was measured.

    Attributes:
        layer: name of the layer; "" for the whole program.
        name: what was looked at, as in "horizon"; at most one finding of a name a layer.
        number: what was measured; infinite where it lies beyond what was measured.
        unit: its unit.
        threshold: the level it was held against, in the unit of the comparison; None if there
            is none.
        source: who set that level.
        compared_with: what the number was compared with, on which examples.
        severity: an alarm asks for something to be done, a reading is a fact.
        statement: the sentence.
        error: standard error of the number over examples; None where it has none.
        threshold_unit: unit of the threshold; "" if there is none.
    """

    layer: str
    name: str
    number: float
    unit: str
    threshold: float | None
    source: str
    compared_with: str
    severity: Severity
    statement: str
    error: float | None = None
    threshold_unit: str = ""

    @property
    def alarm(self) -> bool:
        """Whether it is an alarm."""
        return self.severity is Severity.ALARM


def finding(
    layer: str,
    name: str,
    number: float,
    unit: str,
    statement: str,
    compared_with: str,
    threshold: Threshold | None = None,
    *,
    alarm: bool = False,
    error: float = math.nan,
) -> Finding:
    """Make a finding whose threshold carries its source.

    Args:
        layer: see `Finding`, as the next five.
        name: what was looked at.
        number: what was measured.
        unit: its unit.
        statement: the sentence.
        compared_with: what the number was compared with.
        threshold: the level; None for a number that is held against none.
        alarm: whether something is to be done about it.
        error: standard error of the number; NaN for none.
    """
    level, source = (None, "") if threshold is None else (threshold.value, threshold.source)
    level_unit = "" if threshold is None else threshold.unit
    how = Severity.ALARM if alarm else Severity.READING
    spread = None if math.isnan(error) else float(error)
    return Finding(
        layer, name, float(number), unit, level, source, compared_with, how, statement, spread,
        level_unit,
    )  # fmt: skip
