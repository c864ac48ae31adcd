"""Notes on cells, and the values that the program which opens the file lets inputs have."""

from typing import Any

from rnnjax.decks.workbook import one_pair
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import (
    COLUMN,
    DB,
    DB_COLUMNS,
    ETA_CELL,
    KEPT_BACK,
    NAMES_ROW,
    ONE_PAIR,
    PARAMETER,
    START_CELL,
    TRAINING,
    USED,
    V_ROW,
    W_ROW,
    WEIGHTS,
    letter,
)
from rnnjax.lazy import openpyxl

_AUTHOR, _LARGEST = "rnnjax", 1000
_OF_PARAMETER = {
    ETA_CELL: "Learning rate, 0 or more. w after = w - eta times the sum over t of dw.",
    START_CELL: "i3 at t = 1, between 0 and 1 as the outputs are.",
    f"A{W_ROW - 1}": "Weights from the inputs to h1 to h4, one hidden unit a row; the bias last.",
    f"A{V_ROW - 1}": "Weights from h1 to h4 to the outputs, one output a row; the bias last.",
}
_OF_DB = {
    "pair": "The number of the data pair; the rows of a pair stand together.",
    "t": "The step, from 1.",
    "use": "used: for training. held out: only for the sheet held out. Takes effect in a new "
    "workbook: rnnjax workbook NEW.xlsx --data THIS.xlsx",
    "i1": "Input 1: the same at all steps of a pair.",
    "i2": "Input 2: known at each step.",
    "O1": "Output 1 of the data. It is fed back, so that it is output 2 of the network.",
    "O2": "Output 2 of the data, output 1 of the network.",
}
_OF_COLUMNS = {
    "i3": "outo2 of the row above; the start value at t = 1.",
    "y1": "O2 of db.", "y2": "O1 of db.",
    "net1": "net = W [i1, i2, i3] + b", "h1": "h = s(net), s(x) = 1 / (1 + exp(-x))",
    "neto1": "neto = V h + c", "outo1": "outo = s(neto)",
    "do1": "do1 = (outo1 - y1) outo1 (1 - outo1)",
    "do2": "do2 = (outo2 - y2 + dx) outo2 (1 - outo2)",
    "dh1": "dh = (V' do) h (1 - h)", "di1": "di = W' dh",
    "dx": "di3 of the next row on rnn+et+dx, where the pair goes on; else 0.",
    "E": "Half the squared error of the step.",
    "new h1": "Forward again, with the new weights.",
}  # fmt: skip
_OF_ONE_PAIR = {
    one_pair.PAIR_CELL: "The number of a data pair of db.",
    one_pair.DELTA_X_CELL: "1: di3 of the next step is added to the error of output 2. 0: not.",
}


def annotate(book: Any, table: Table) -> None:
    """Write the notes and the checks of inputs into a workbook that has all its sheets."""
    for address, words in _OF_PARAMETER.items():
        _note(book[PARAMETER][address], words)
    for n, name in enumerate(DB_COLUMNS, 1):
        _note(book[DB][f"{letter(n)}1"], _OF_DB[name])
    for sheet in TRAINING:
        for name, words in _OF_COLUMNS.items():
            _note(book[sheet][f"{COLUMN[name]}{NAMES_ROW}"], words)
    for address, words in _OF_ONE_PAIR.items():
        _note(book[ONE_PAIR][address], words)
    _check_parameter(book[PARAMETER])
    n_pairs, n_steps = table.x.shape[:2]
    last = n_pairs * n_steps + 1
    choice = _list(USED, KEPT_BACK)
    _check(book[DB], choice, f"C2:C{last}", f"{USED} or {KEPT_BACK}")
    _check(book[DB], _decimal(-_LARGEST, _LARGEST), f"D2:G{last}", "a number")
    whole = _validation(type="whole", operator="between", formula1=1, formula2=n_pairs)
    _check(book[ONE_PAIR], whole, one_pair.PAIR_CELL, f"a whole number from 1 to {n_pairs}")
    _check(book[ONE_PAIR], _list("0", "1"), one_pair.DELTA_X_CELL, "0 or 1")


def _check_parameter(sheet: Any) -> None:
    _check(sheet, _decimal(0, _LARGEST), ETA_CELL, f"a number from 0 to {_LARGEST}")
    _check(sheet, _decimal(0, 1), START_CELL, "a number from 0 to 1")
    weights = " ".join(weight.cell for weight in WEIGHTS)
    _check(sheet, _decimal(-_LARGEST, _LARGEST), weights, f"a number up to {_LARGEST}")


def _note(cell: Any, words: str) -> None:
    lines = 1 + len(words) // 38
    cell.comment = openpyxl.comments.Comment(words, _AUTHOR, height=18 * lines + 12, width=240)


def _validation(**fields: Any) -> Any:
    return openpyxl.worksheet.datavalidation.DataValidation(allow_blank=False, **fields)


def _decimal(least: float, most: float) -> Any:
    return _validation(type="decimal", operator="between", formula1=least, formula2=most)


def _list(*values: str) -> Any:
    return _validation(type="list", formula1=f'"{",".join(values)}"')


def _check(sheet: Any, validation: Any, cells: str, expected: str) -> None:
    validation.sqref = openpyxl.worksheet.cell_range.MultiCellRange(cells)
    validation.errorTitle, validation.error = "Value", f"Expected {expected}."
    validation.showErrorMessage = True
    sheet.add_data_validation(validation)
