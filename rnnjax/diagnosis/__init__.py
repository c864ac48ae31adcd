"""The measurements of `rnnjax.diagnose` and `rnnjax.monitor`, a few files for each row of a report.

Each measurement takes one recurrence of a program, with the gradient that arrives at it. What a
report says of the numbers, and how it shows them, is in `rnnjax.reports`.
"""

from rnnjax.diagnosis import aims, examples
from rnnjax.diagnosis.diagnose import diagnose
from rnnjax.diagnosis.monitor import monitor

__all__ = ["aims", "diagnose", "examples", "monitor"]
