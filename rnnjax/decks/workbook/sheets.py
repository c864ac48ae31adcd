"""The sheets: the formula or value of each cell, by address; `write` sets how they look."""

from collections.abc import Iterator

from rnnjax.decks.workbook import formulas
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import (
    AFTER_COLUMNS,
    BACKWARD_COLUMNS,
    COLUMN,
    DB_COLUMNS,
    ERROR_AFTER_CELL,
    ERROR_CELL,
    ETA_CELL,
    FORWARD_COLUMNS,
    HELD_OUT_COLUMN,
    HELD_OUT_COLUMNS,
    HIDDEN,
    INPUTS,
    N_HIDDEN,
    N_OUTPUTS,
    NAMES_ROW,
    OUTPUTS,
    START_CELL,
    V_ROW,
    W_ROW,
    WEIGHTS,
    Rows,
    letter,
)
from rnnjax.decks.workbook.parameters import Setting, entry
from rnnjax.decks.workbook.summary import Cells, error_cell, summary

HELD_OUT_HEADER = 6  # its row on the sheet `held out`
# In the columns of dw the names of the weights stand there.
NAMED_ON_TOP = (*FORWARD_COLUMNS, *BACKWARD_COLUMNS, "E", *AFTER_COLUMNS)
_TITLES = {
    "rnn": "Every step by itself: the gradient does not go back through i3.",
    "rnn+et": "As rnn, and dw of step t is multiplied by dw(t-1) / dw(t-2), from t = 3 on.",
    "rnn+et+dx": "As rnn+et, and di3 of the next step is added to the error of output 2 (dx).",
}
_PARAMETER_NOTES = {
    "A1": "Change any yellow cell: every sheet is computed anew.",
    "A3": "eta", "C3": "learning rate",
    "A4": "start", "C4": "i3 at the first step, for there is no step before",
    "A6": "i1", "B6": "constant through all time",
    "A7": "i2", "B7": "known variable through time",
    "A8": "i3", "B8": "output 2 of the step before",
    "A9": "O1 and O2 of the sheet db change places: the output that is fed back has to be last.",
    "A10": "So output 1 is O2, output 2 is O1, and output 2 becomes i3 of the next step.",
    "A22": "Next cycle: copy B13:F20 of rnn, rnn+et or rnn+et+dx and paste it here as values.",
}  # fmt: skip


def db_cells(table: Table) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the sheet `db`."""
    yield DB_COLUMNS
    yield from table.rows()


def parameter_cells(setting: Setting) -> Cells:
    """Return the sheet `parameter`."""
    found: Cells = {**_PARAMETER_NOTES, ETA_CELL: setting.eta, START_CELL: setting.start}
    found |= weight_headers("weights")
    return found | {w.cell: entry(setting.params, w) for w in WEIGHTS}


def weight_headers(words: str) -> Cells:
    """Return what stands around the two blocks of weights."""
    found: Cells = {f"A{W_ROW - 1}": f"{words} W"}
    found |= {f"{letter(k + 1)}{W_ROW - 1}": f"i{k}" for k in INPUTS}
    found[f"{letter(len(INPUTS) + 2)}{W_ROW - 1}"] = "bias"
    found |= {f"A{W_ROW + j - 1}": f"h{j}" for j in HIDDEN}
    found |= {f"A{V_ROW - 1}": f"{words} V"}
    found |= {f"{letter(j + 1)}{V_ROW - 1}": f"h{j}" for j in HIDDEN}
    found[f"{letter(N_HIDDEN + 2)}{V_ROW - 1}"] = "bias"
    return found | {f"A{V_ROW + k - 1}": f"output {k}" for k in OUTPUTS}


def training_cells(name: str, table: Table) -> Cells:
    """Return a sheet of training.

    Args:
      name: one of `TRAINING`.
      table: the data pairs, of which those that are used are taken.
    """
    rows = Rows(table.n_steps, int(table.used.sum()))
    found: Cells = {"A1": name, "A2": _TITLES[name], "A3": "E", "A4": "E after"}
    found |= {"C3": "before the cycle", "C4": "with the new weights, shown below"}
    found |= {
        ERROR_CELL: error_cell(COLUMN["E"], rows),
        ERROR_AFTER_CELL: error_cell(COLUMN["new E"], rows),
    }
    found |= weight_headers("new") | summary(rows, ratio="+et" in name)
    found |= _header(rows.header)
    found["A5"] = f"The steps begin in row {rows.first}; row {NAMES_ROW} names their columns."
    found |= {f"{COLUMN[name]}{NAMES_ROW}": name for name in NAMED_ON_TOP}
    for row, db_row, step in _steps(table, rows.first, used=True):
        delta_x = name.endswith("+dx") and step < table.n_steps
        found |= _at(row, COLUMN, formulas.forward(COLUMN, row, db_row, step))
        found |= _at(row, COLUMN, formulas.backward(row, delta_x=delta_x))
        found |= _at(row, COLUMN, formulas.forward_after(row, step))
    return found


def held_out_cells(table: Table) -> Cells:
    """Return the sheet `held out`: the forward pass of the pairs that are not used."""
    n_pairs = int((~table.used).sum())
    first, last = HELD_OUT_HEADER + 1, HELD_OUT_HEADER + n_pairs * table.n_steps
    error = f"=SUM({HELD_OUT_COLUMN['E']}{first}:{HELD_OUT_COLUMN['E']}{last})/{n_pairs}"
    found: Cells = {"A1": "The pairs held out: forward pass only.", "A3": "E", ERROR_CELL: error}
    found |= {f"{HELD_OUT_COLUMN[name]}{HELD_OUT_HEADER}": name for name in HELD_OUT_COLUMNS}
    for row, db_row, step in _steps(table, first, used=False):
        cells = formulas.forward(HELD_OUT_COLUMN, row, db_row, step)
        found |= _at(row, HELD_OUT_COLUMN, cells)
    return found


def _header(row: int) -> Cells:
    """Return the names of the columns, and above two of them the band that the slides print."""
    found: Cells = {f"{column}{row}": name for name, column in COLUMN.items()}
    found |= {f"{COLUMN[f'outo{k}']}{row - 1}": f"o{N_OUTPUTS + 1 - k}" for k in OUTPUTS}
    return found


def _steps(table: Table, first: int, *, used: bool) -> Iterator[tuple[int, int, int]]:
    """Yield row, row on the sheet `db` and step of the pairs that are used, or are not."""
    row = first
    for pair, chosen in enumerate(table.used):
        if chosen == used:
            for step in range(1, table.n_steps + 1):
                yield row, 1 + pair * table.n_steps + step, step
                row += 1


def _at(row: int, columns: dict[str, str], cells: dict[str, str]) -> Cells:
    return {f"{columns[name]}{row}": _typed(text) for name, text in cells.items()}


def _typed(text: str) -> object:
    return text if text.startswith("=") else float(text)
