"""How the sheets look: number formats, colours, widths, and what stays in sight."""

from typing import Any

from rnnjax.decks.workbook import cycles as chain
from rnnjax.decks.workbook import exercises as questions
from rnnjax.decks.workbook import one_pair as pair
from rnnjax.decks.workbook import read_me as explained
from rnnjax.decks.workbook import sheets
from rnnjax.decks.workbook.layout import (
    COLUMN,
    DB,
    ERROR_AFTER_CELL,
    ERROR_CELL,
    ETA_CELL,
    LABELS,
    NAMES_ROW,
    START_CELL,
    TRAINING,
    V_ROW,
    W_ROW,
    WEIGHTS,
    Rows,
    letter,
)
from rnnjax.lazy import openpyxl

_NUMBER, _WHOLE = "0.0000", "0"
_INPUT, _HEADER, _RESULT = "FFF2CC", "D9E1F2", "E2EFDA"
_COLOURS = {"yellow": _INPUT, "green": _RESULT, "blue": _HEADER}
_NARROW = 7.5  # a column of numbers


def fill(sheet: Any, cells: sheets.Cells) -> None:
    """Write the cells of a sheet, numbers with four digits behind the point."""
    for address, value in cells.items():
        cell = sheet[address]
        cell.value = value
        if isinstance(value, float) or (isinstance(value, str) and value.startswith("=")):
            cell.number_format = _NUMBER
    _bold(sheet["A1"])


def read_me(sheet: Any) -> None:
    """Set the looks of the sheet `read me`."""
    sheet.column_dimensions["A"].width = 14
    for row in sheet.iter_rows(max_col=3):
        name = row[0].value
        if name in explained.TITLES:
            _mark(row[:1], _HEADER)
        elif name in _COLOURS:
            _colour(row[0], _COLOURS[name])
        elif name == "sheet":
            _mark(row, _HEADER)
        for cell in row[1:]:
            if str(cell.value).startswith("="):
                _colour(cell, _RESULT)


def db(sheet: Any) -> None:
    """Set the looks of the sheet `db`."""
    _mark(sheet[1], _HEADER, over_numbers=True)
    for row in sheet.iter_rows(min_row=2):
        _colour(row[2], _INPUT)
        row[2].alignment = openpyxl.styles.Alignment(horizontal="right")
        for cell in row[3:]:
            cell.number_format = _NUMBER
            _colour(cell, _INPUT)
    sheet.freeze_panes = "D2"


def parameter(sheet: Any) -> None:
    """Set the looks of the sheet `parameter`."""
    for address in (ETA_CELL, START_CELL, *(weight.cell for weight in WEIGHTS)):
        _colour(sheet[address], _INPUT)
    for row in (W_ROW - 1, V_ROW - 1):
        _mark(sheet[row], _HEADER, over_numbers=True)
    _indent(sheet["C3"], sheet["C4"])
    sheet.column_dimensions["A"].width = 12
    sheet.freeze_panes = "A3"


def one_pair(sheet: Any, n_steps: int) -> None:
    """Set the looks of the sheet `one pair`."""
    for address in (pair.PAIR_CELL, pair.DELTA_X_CELL):
        _colour(sheet[address], _INPUT)
    how = sheet[letter(n_steps + 3)]
    _mark(sheet[pair.HEADER][:-1], _HEADER, over_numbers=True)
    _mark([how[pair.HEADER - 1]], _HEADER)
    _indent(sheet["C4"], sheet["C5"], *how)
    for row in pair.SECTION_ROW.values():
        _mark(sheet[row][:1], _HEADER)
    total = letter(n_steps + 2)
    for row in (pair.ROW["E"], pair.ROW[f"d{pair.CHECKED.name}"], pair.SLOPE_ROW):
        _colour(sheet[f"{total}{row}"], _RESULT)
        sheet[f"{total}{row}"].number_format = "0.000000"
    sheet.column_dimensions["A"].width = 36
    sheet.column_dimensions[total].width = 12
    sheet.freeze_panes = f"B{pair.HEADER + 1}"


def training(sheet: Any, rows: Rows) -> None:
    """Set the looks of a sheet of training."""
    for row in (NAMES_ROW, W_ROW - 1, V_ROW - 1, rows.header):
        _mark(sheet[row], _HEADER, over_numbers=True)
    _indent(sheet["C3"], sheet["C4"])
    for weight in WEIGHTS:
        _colour(sheet[weight.cell], _RESULT)
        _colour(sheet[f"{COLUMN[f'd{weight.name}']}{rows.total + 2}"], _RESULT)
    for address in (ERROR_CELL, ERROR_AFTER_CELL):
        _colour(sheet[address], _RESULT)
    _steps(sheet)
    sheet.column_dimensions["A"].width = 10
    sheet.column_dimensions[COLUMN[LABELS]].width = 26
    sheet.freeze_panes = f"C{NAMES_ROW + 1}"


def held_out(sheet: Any) -> None:
    """Set the looks of the sheet `held out`."""
    _mark(sheet[sheets.HELD_OUT_HEADER], _HEADER, over_numbers=True)
    _colour(sheet[ERROR_CELL], _RESULT)
    _steps(sheet)
    sheet.freeze_panes = f"C{sheets.HELD_OUT_HEADER + 1}"


def cycles(sheet: Any, rows: Rows) -> None:
    """Set the looks of the sheet `cycles`, the rows of each cycle closed."""
    for row in sheet.iter_rows(
        min_row=chain.TABLE, max_row=chain.TABLE + 1 + chain.N_CYCLES, max_col=4
    ):
        if row[0].row == chain.TABLE:
            _mark(row, _HEADER, over_numbers=True)
        for cell in row[1:]:
            _colour(cell, _HEADER if cell.row == chain.TABLE else _RESULT)
    for block in chain.blocks(rows):
        _block(sheet, block)
    sheet.sheet_properties.outlinePr.summaryBelow = False
    for way in TRAINING:
        sheet.column_dimensions[chain.Block(way, 0, rows).column(0)].width = 24
    for column in "BCD":
        sheet.column_dimensions[column].width = 13
    sheet.freeze_panes = f"A{chain.TABLE + 1}"


def _block(sheet: Any, block: chain.Block) -> None:
    _mark([sheet[f"{block.column(0)}{block.top}"]], _HEADER)
    names = (f"{block.of_weight(weight)}{block.top + 1}" for weight in WEIGHTS)
    columns = (f"{column}{block.first - 1}" for column in block.columns.values())
    _mark((sheet[address] for address in (*names, *columns)), _HEADER)
    _colour(sheet[block.error_cell], _RESULT)
    for row in range(block.first, block.last + 1):
        sheet[f"{block.column(0)}{row}"].number_format = _WHOLE
    if block.way == TRAINING[0]:  # the other strips stand in the same rows
        for row in range(block.top + 1, block.last + 1):
            sheet.row_dimensions[row].outlineLevel = 1
            sheet.row_dimensions[row].hidden = True


def exercises(sheet: Any) -> None:
    """Set the looks of the sheet `exercises` or `answers`."""
    _mark(sheet[questions.FIRST - 1], _HEADER)
    answered = sheet[f"D{questions.FIRST - 1}"].value is not None
    for (cell,) in sheet.iter_rows(min_row=questions.FIRST, min_col=2, max_col=2):
        sheet.row_dimensions[cell.row].height = 34
        _colour(sheet[f"{questions.ANSWER}{cell.row}"], _INPUT if answered else _RESULT)
    for row in sheet.iter_rows(min_row=questions.FIRST):
        for cell in row:
            cell.alignment = openpyxl.styles.Alignment(wrap_text=True, vertical="top")
        row[0].alignment = openpyxl.styles.Alignment(horizontal="center", vertical="top")
        row[2].number_format = "General"
    for column, width in zip("ABCD", (5, 90, 14, 14), strict=True):
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = f"A{questions.FIRST}"


def _steps(sheet: Any) -> None:
    """Narrow columns for the steps, and whole numbers for pair and t."""
    for n in range(2, sheet.max_column + 1):
        sheet.column_dimensions[letter(n)].width = _NARROW
    for name in ("pair", "t"):
        for cell in sheet[COLUMN[name]]:
            if isinstance(cell.value, str) and cell.value.startswith(f"={DB}!"):
                cell.number_format = _WHOLE


def _mark(cells: Any, colour: str, *, over_numbers: bool = False) -> None:
    """Set off the texts among some cells, on the right where they stand over numbers."""
    for cell in cells:
        if cell.value is not None and not str(cell.value).startswith("="):
            _bold(cell)
            _colour(cell, colour)
            if over_numbers and cell.column > 1:
                cell.alignment = openpyxl.styles.Alignment(horizontal="right")


def _indent(*cells: Any) -> None:
    """Keep texts away from the number on their left."""
    for cell in cells:
        cell.alignment = openpyxl.styles.Alignment(horizontal="left", indent=1)


def _bold(cell: Any) -> None:
    cell.font = openpyxl.styles.Font(name="Calibri", bold=True)


def _colour(cell: Any, colour: str) -> None:
    cell.fill = openpyxl.styles.PatternFill("solid", fgColor=colour)
