"""The sheet `read me`: what each sheet is, how to use them, colours, notation, and all errors."""

from rnnjax.decks.workbook.cycles import N_CYCLES
from rnnjax.decks.workbook.db import Table
from rnnjax.decks.workbook.layout import ERROR_AFTER_CELL, ERROR_CELL, HELD_OUT, TRAINING
from rnnjax.decks.workbook.summary import Cells

_SHEETS = (
    ("db", "the data pairs: i1, i2 and the outputs O1, O2 at each step; used or held out"),
    ("parameter", "learning rate, first i3 and all 26 weights"),
    ("one pair", "one data pair, one step a column: forward, backward, dw, and a check of dw"),
    ("rnn", "one cycle: forward, backward and new weights, every step by itself"),
    ("rnn+et", "the same, and each dw from t = 3 on times the ratio of the two dw before"),
    ("rnn+et+dx", "the same, and the error goes back through i3"),
    ("cycles", f"{N_CYCLES} cycles in a chain for each of the three, with a chart of E"),
    ("held out", "the error of the pairs that are not used for training"),
    ("exercises", "questions about the numbers; a cell says whether an answer is right"),
    ("answers", "the answers, computed by formulas"),
)
_USE = (
    "1  Start on one pair: read the columns from left to right, then back.",
    "2  Change a yellow cell of parameter: every sheet is computed anew.",
    "3  Compare rnn, rnn+et and rnn+et+dx, below and on cycles. They differ in two",
    "    places only: the column dx and the factor of dw.",
    "4  Work through exercises; the reasons are on answers.",
    "Prints: one page a sheet; of long sheets the first pairs.",
)
COLOURS = {
    "yellow": "an input: may be changed",
    "green": "a result: errors and new weights",
    "blue": "names of columns",
}
_NOTATION = (
    ("t", "step of time, from 1"),
    ("i1, i2, i3", "inputs: constant through all time; known at each step; output 2 of step t - 1"),
    ("net, h", "net = W i + b, h = s(net), s(x) = 1 / (1 + exp(-x))"),
    ("neto, outo", "neto = V h + c, outo = s(neto)"),
    ("y1, y2", "targets: O2 and O1 of db, in this order; what is fed back stands last"),
    ("do, dh, di", "derivatives of E by neto, net and the inputs (deltas)"),
    ("dx", "di3 of step t + 1, added to the error of output 2 of step t"),
    ("dw", "derivative of E by a weight: its delta times what stands at its source"),
    ("E", "mean over pairs of the sum over t of ((outo1 - y1)^2 + (outo2 - y2)^2) / 2"),
    ("eta", "learning rate: w after = w - eta times the sum over t of dw"),
    ("no ratio", "#DIV/0!: dw(t-2) is exactly 0"),
    ("empty cells", "the program that opened the file does not compute formulas"),
)
TITLES = ("Sheets", "Use", "Colours", "Notation")
PICTURE_CELL = "J4"


def read_me_cells(table: Table) -> Cells:
    """Return the sheet, with the errors of all sheets side by side."""
    found: Cells = {"A1": "One recurrent network, trained by formulas"}
    found["A2"] = "3 inputs, 4 hidden units, 2 outputs; output 2 is input 3 of the next step."
    row = 4
    for title, lines in _sections(table):
        found[f"A{row}"] = title
        for n, (name, words) in enumerate(lines, row + 1):
            found |= {f"{c}{n}": text for c, text in (("A", name), ("B", words)) if text}
        row += len(lines) + 2
    return found | _errors(table, row)


def _sections(table: Table) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    sheets = tuple(line for line in _SHEETS if line[0] != HELD_OUT or not table.used.all())
    use = tuple(("", line) for line in _USE)
    return tuple(zip(TITLES, (sheets, use, tuple(COLOURS.items()), _NOTATION), strict=True))


def _errors(table: Table, top: int) -> Cells:
    found: Cells = {f"A{top}": "sheet", f"B{top}": "E before", f"C{top}": "E after"}
    for row, name in enumerate(TRAINING, top + 1):
        found[f"A{row}"] = name
        found[f"B{row}"] = f"='{name}'!{ERROR_CELL}"
        found[f"C{row}"] = f"='{name}'!{ERROR_AFTER_CELL}"
    if not table.used.all():
        row = top + len(TRAINING) + 1
        found |= {f"A{row}": HELD_OUT, f"B{row}": f"='{HELD_OUT}'!{ERROR_CELL}"}
    return found
