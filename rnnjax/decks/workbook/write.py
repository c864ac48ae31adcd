"""Writing the workbook: all sheets in order, and the whole file or none."""

import io
from pathlib import Path
from typing import Any

from rnnjax.decks.workbook import (
    chart,
    cycles,
    exercises,
    looks,
    notes,
    one_pair,
    pages,
    picture,
    read_me,
    sheets,
)
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import (
    ANSWERS,
    CYCLES,
    DB,
    EXERCISES,
    HELD_OUT,
    ONE_PAIR,
    PARAMETER,
    READ_ME,
    TRAINING,
    Rows,
)
from rnnjax.decks.workbook.parameters import Setting
from rnnjax.decks.workbook.spreadsheet import check_installed, save
from rnnjax.lazy import openpyxl


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
    looks.read_me(_filled(book, READ_ME, read_me.read_me_cells(table)))
    _picture(book[READ_ME])
    _db(book.create_sheet(DB), table)
    looks.parameter(_filled(book, PARAMETER, sheets.parameter_cells(setting)))
    pair = one_pair.one_pair_cells(len(table.used), table.n_steps)
    looks.one_pair(_filled(book, ONE_PAIR, pair), table.n_steps)
    for name in TRAINING:
        looks.training(_filled(book, name, sheets.training_cells(name, table)), rows)
    looks.cycles(_filled(book, CYCLES, cycles.cycles_cells(rows)), rows)
    book[CYCLES].add_chart(chart.error_chart(book[CYCLES]), f"F{cycles.TABLE}")
    if not table.used.all():
        looks.held_out(_filled(book, HELD_OUT, sheets.held_out_cells(table)))
    looks.exercises(_filled(book, EXERCISES, exercises.exercise_cells(rows)))
    looks.exercises(_filled(book, ANSWERS, exercises.answer_cells(rows)))
    notes.annotate(book, table)
    pages.set_up(book, table)
    book.calculation.fullCalcOnLoad = True
    save(book, path)


def _filled(book: Any, name: str, cells: sheets.Cells) -> Any:
    sheet = book.create_sheet(name)
    looks.fill(sheet, cells)
    return sheet


def _db(sheet: Any, table: Table) -> None:
    for row in sheets.db_cells(table):
        sheet.append(row)
    looks.db(sheet)


def _picture(sheet: Any) -> None:
    image = openpyxl.drawing.image.Image(io.BytesIO(picture.unrolled_network()))
    image.width, image.height = 700, 321  # pixels on the sheet
    sheet.add_image(image, read_me.PICTURE_CELL)
