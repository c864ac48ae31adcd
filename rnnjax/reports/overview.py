"""A line a layer: the numbers that are asked for most."""

import math

from rnnjax.reports.finding import Finding
from rnnjax.reports.readings import Reading
from rnnjax.reports.report import Report
from rnnjax.reports.wording import amount, quantity

_FINDINGS = {
    "horizon": "horizon",
    "e-folding time": "e-folding",
    "window": "window",
    "where weights learn": "80 % from",
    "spectrum": "exponent",
}
HEADS = ("steps", "size", *_FINDINGS.values())
"""What stands in the cells of a line, without units: steps, numbers, or nat a step."""


def cells(report: Report, reading: Reading) -> tuple[str, ...]:
    """Return the cells of one layer in the order of `HEADS`; "–" for what was not measured."""
    found = {f.name: f for f in report.of_layer(reading.layer)}
    numbers = (_short(found[name]) if name in found else "–" for name in _FINDINGS)
    return (_size(reading.length), _size(reading.size), *numbers)


def _short(found: Finding) -> str:
    return quantity(found.number, "").rstrip()


def _size(value: float) -> str:
    return "–" if math.isnan(value) else amount(value)
