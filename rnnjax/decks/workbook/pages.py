"""How the workbook prints: landscape, one page a sheet, the first pairs of what is long."""

from typing import Any

from rnnjax.decks.workbook import cycles, exercises, one_pair, sheets
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import (
    ANSWERS,
    COLUMN,
    CYCLES,
    DB,
    DB_COLUMNS,
    EXERCISES,
    HELD_OUT,
    HELD_OUT_COLUMNS,
    LABELS,
    NAMES_ROW,
    ONE_PAIR,
    PARAMETER,
    READ_ME,
    TRAINING,
    WEIGHTS,
    Rows,
    letter,
)

_ROWS_OF_DATA = 40  # at most, on the sheets db and held out
_ROWS_OF_TRAINING = 25
READ_ME_AREA, PARAMETER_AREA = "A1:S47", "A1:I22"
CYCLES_LAST_COLUMN = "P"


def set_up(book: Any, table: Table) -> None:
    """Set print areas, orientation and footers of a workbook that has all its sheets."""
    for name, area in _areas(table).items():
        sheet = book[name]
        sheet.print_area = area
        fit = int("," not in area)  # of two areas each has a page of its own
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, fit
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        sheet.print_options.horizontalCentered = True
        sheet.page_margins.left = sheet.page_margins.right = 0.4
        sheet.page_margins.top, sheet.page_margins.bottom = 0.4, 0.7
        sheet.page_margins.header = sheet.page_margins.footer = 0.3
        sheet.oddFooter.left.text, sheet.oddFooter.right.text = "&A", "&P / &N"


def _areas(table: Table) -> dict[str, str]:
    rows = Rows(table.n_steps, int(table.used.sum()))
    last_exercise = exercises.FIRST + len(exercises.exercises(rows)) - 1
    of_db = _whole_pairs(table, len(table.used), _ROWS_OF_DATA)
    of_training = _whole_pairs(table, rows.n_pairs, _ROWS_OF_TRAINING)
    steps = f"A1:{COLUMN['E']}{rows.header + of_training}"
    last_weight = COLUMN[f"d{WEIGHTS[-1].name}"]
    last_table = cycles.TABLE + cycles.N_CYCLES + 1
    found = {
        READ_ME: READ_ME_AREA,
        DB: f"A1:{letter(len(DB_COLUMNS))}{1 + of_db}",
        PARAMETER: PARAMETER_AREA,
        ONE_PAIR: f"A1:{letter(table.n_steps + 9)}{one_pair.SLOPE_ROW}",
        **dict.fromkeys(TRAINING, steps),
        "rnn+et": f"{steps},{COLUMN[LABELS]}{NAMES_ROW}:{last_weight}{rows.total + 2}",
        CYCLES: f"A1:{CYCLES_LAST_COLUMN}{last_table}",
        EXERCISES: f"A1:D{last_exercise}",
        ANSWERS: f"A1:C{last_exercise}",
    }
    if not table.used.all():
        n_rows = _whole_pairs(table, int((~table.used).sum()), _ROWS_OF_DATA)
        last_column = letter(len(HELD_OUT_COLUMNS))
        found[HELD_OUT] = f"A1:{last_column}{sheets.HELD_OUT_HEADER + n_rows}"
    return found


def _whole_pairs(table: Table, n_pairs: int, n_rows: int) -> int:
    """Return the rows of as many whole pairs as fit into some rows, of one at least."""
    return min(n_pairs, max(1, n_rows // table.n_steps)) * table.n_steps
