"""What a diagnosis of the recurrences of a program shows: findings, text, figure and page.

Names are loaded when they are first used, so that a report is read and drawn without JAX.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.reports import (
        comparison_charts,
        comparison_lines,
        comparison_page,
        figure,
        file,
        page,
        terminal,
    )
    from rnnjax.reports.comparison import Comparison
    from rnnjax.reports.finding import Finding, Severity
    from rnnjax.reports.readings import Reading
    from rnnjax.reports.remedy import Remedy
    from rnnjax.reports.report import Report
    from rnnjax.reports.thresholds import THRESHOLDS
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "THRESHOLDS",
    "Comparison",
    "Finding",
    "Reading",
    "Remedy",
    "Report",
    "Severity",
    "comparison_charts",
    "comparison_lines",
    "comparison_page",
    "figure",
    "file",
    "page",
    "terminal",
]
