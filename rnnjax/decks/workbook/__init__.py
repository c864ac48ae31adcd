"""A spreadsheet that trains the Jordan network by live formulas, one cycle a sheet.

The layout follows the spreadsheet of C. Yuan's slides on RNNs, 2022: a sheet of data, a sheet of
parameters, and one sheet for each way to train. Needs the extra `xlsx` (openpyxl) to read or write.
"""

from rnnjax.decks.workbook.db import Table, from_task, read_table
from rnnjax.decks.workbook.parameters import Setting, network, read_weights
from rnnjax.decks.workbook.training import (
    errors,
    first_set,
    forced_error,
    rule_of,
    train,
    with_first_set,
    without_input,
)
from rnnjax.decks.workbook.write import write_workbook

__all__ = [
    "Setting",
    "Table",
    "errors",
    "first_set",
    "forced_error",
    "from_task",
    "network",
    "read_table",
    "read_weights",
    "rule_of",
    "train",
    "with_first_set",
    "without_input",
    "write_workbook",
]
