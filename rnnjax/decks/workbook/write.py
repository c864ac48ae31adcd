"""Writing the workbook: cells, number formats, colours, widths."""

from pathlib import Path
from typing import Any

from rnnjax.decks.workbook import sheets
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import (
    COLUMN,
    DB,
    ETA_CELL,
    HELD_OUT,
    LABELS,
    PARAMETER,
    READ_ME,
    START_CELL,
    TRAINING,
    V_ROW,
    W_ROW,
    WEIGHTS,
    Rows,
)
from rnnjax.decks.workbook.parameters import Setting
from rnnjax.decks.workbook.spreadsheet import check_installed, save
from rnnjax.lazy import openpyxl

_NUMBER = "0.0000"
_INPUT, _HEADER, _RESULT = "FFF2CC", "D9E1F2", "E2EFDA"  # pale yellow, blue, green


def write_workbook(path: Path, table: Table, setting: Setting) -> None:
    """Write the workbook; the formulas are computed by the program that opens it.

    Args:
      path: the file; an old one is replaced.
      table: the data pairs.
      setting: weights, learning rate and first i3.

    Raises:
      ConfigError: openpyxl is missing, or the file cannot be written.
    """
    check_installed()
    book = openpyxl.Workbook()
    book.remove(book.active)
    rows = Rows(table.n_steps, int(table.used.sum()))
    _fill(book.create_sheet(READ_ME), sheets.read_me_cells(table))
    _db(book.create_sheet(DB), table)
    _parameter(book.create_sheet(PARAMETER), setting)
    for name in TRAINING:
        _training(book.create_sheet(name), sheets.training_cells(name, table), rows)
    if not table.used.all():
        sheet = book.create_sheet(HELD_OUT)
        _fill(sheet, sheets.held_out_cells(table))
        _mark_row(sheet, sheets.HELD_OUT_HEADER, _HEADER)
        sheet.freeze_panes = f"C{sheets.HELD_OUT_HEADER + 1}"
    book[READ_ME].column_dimensions["A"].width = 14
    book.calculation.fullCalcOnLoad = True
    save(book, path)


def _fill(sheet: Any, cells: sheets.Cells) -> None:
    for address, value in cells.items():
        cell = sheet[address]
        cell.value = value
        if isinstance(value, float) or (isinstance(value, str) and value.startswith("=")):
            cell.number_format = _NUMBER
    for name in ("pair", "t"):
        for cell in sheet[COLUMN[name]]:
            if isinstance(cell.value, str) and cell.value.startswith(f"={DB}!"):
                cell.number_format = "0"
    if sheet["A1"].value is not None:
        _bold(sheet["A1"])


def _db(sheet: Any, table: Table) -> None:
    for row in sheets.db_cells(table):
        sheet.append(row)
    _mark_row(sheet, 1, _HEADER)
    for column in "DEFG":
        for cell in sheet[column][1:]:
            cell.number_format = _NUMBER
    sheet.freeze_panes = "A2"


def _parameter(sheet: Any, setting: Setting) -> None:
    _fill(sheet, sheets.parameter_cells(setting))
    for address in (ETA_CELL, START_CELL, *(weight.cell for weight in WEIGHTS)):
        _colour(sheet[address], _INPUT)
    for row in (W_ROW - 1, V_ROW - 1):
        _mark_row(sheet, row, _HEADER)
    sheet.column_dimensions["A"].width = 12


def _training(sheet: Any, cells: sheets.Cells, rows: Rows) -> None:
    _fill(sheet, cells)
    for row in (rows.mean - 1, W_ROW - 1, V_ROW - 1, rows.header):
        _mark_row(sheet, row, _HEADER)
    for weight in WEIGHTS:
        _colour(sheet[weight.cell], _RESULT)
        _colour(sheet[f"{COLUMN[f'd{weight.name}']}{rows.total + 2}"], _RESULT)
    for address in ("B3", "B4"):
        _colour(sheet[address], _RESULT)
    sheet.column_dimensions["A"].width = 10
    sheet.column_dimensions[COLUMN[LABELS]].width = 26
    sheet.freeze_panes = "C1"


def _mark_row(sheet: Any, row: int, colour: str) -> None:
    for cell in sheet[row]:
        if cell.value is not None and not str(cell.value).startswith("="):
            _bold(cell)
            _colour(cell, colour)


def _bold(cell: Any) -> None:
    cell.font = openpyxl.styles.Font(name="Calibri", bold=True)


def _colour(cell: Any, colour: str) -> None:
    cell.fill = openpyxl.styles.PatternFill("solid", fgColor=colour)
