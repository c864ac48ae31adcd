"""The measurements of `rnnjax.diagnose`, a few files for each row of the report.

Each measurement takes one recurrence of a program, with the gradient that arrives at it. What a
report says of the numbers, and how it shows them, is in `rnnjax.reports`.
"""

from rnnjax.diagnosis.diagnose import diagnose

__all__ = ["diagnose"]
