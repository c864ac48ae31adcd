"""The sheet `one pair`: every number of one data pair, one step a column, to be followed by hand.

  forward   from left to right: i3 of a step is output 2 of the column before            (1)
  backward  from right to left: dx of a step is di3 of the column behind                 (2)
  dw        products of a delta and what it meets, and their sum over t                  (3)
  check     (E(w + s) - E(w - s)) / 2 s  with s = 0.001, for the weight w1,i3            (4)

With delta x, (3) is the derivative of E and equals (4) up to s^2; without it, it does not.
"""

from rnnjax.decks.workbook import formulas
from rnnjax.decks.workbook.formulas import logistic, on_parameter, slope, weighted
from rnnjax.decks.workbook.layout import (
    DB,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    PARAMETER,
    START_CELL,
    Weight,
    letter,
)
from rnnjax.decks.workbook.summary import Cells

PAIR_CELL, DELTA_X_CELL = "B4", "B5"
HEADER = 7  # the row of t
CHECKED = Weight("W", 1, 3)
STEP = 0.001  # s of equation (4)
_SHOWN = (CHECKED, Weight("W", 1, 1), Weight("V", 2, 1), Weight("c", 2))
_HOW = {
    "i1": "constant through all time", "i2": "known at each step",
    "i3": "output 2 of the column on the left; at t = 1 the start value of parameter",
    "net1": "net = W [i1, i2, i3] + b", "h1": "h = s(net), s(x) = 1 / (1 + exp(-x))",
    "neto1": "neto = V h + c", "outo1": "outo = s(neto)",
    "y1": "the targets: y1 is O2 and y2 is O1 of db",
    "E": "((outo1 - y1)^2 + (outo2 - y2)^2) / 2",
    "dx": "di3 of the column on the right, if delta x is 1; else 0",
    "do1": "do1 = (outo1 - y1) outo1 (1 - outo1)",
    "do2": "do2 = (outo2 - y2 + dx) outo2 (1 - outo2)",
    "dh1": "dh = (V' do) h (1 - h)", "di3": "di3 = W' dh, the third entry",
    "dw1,i3": "dh1 i3", "dw1,i1": "dh1 i1", "dv2,h1": "do2 h1", "dc2": "do2",
    "E of w1,i3 + s": "the forward pass once more with w1,i3 + s in place of w1,i3, s = 0.001",
    "E of w1,i3 - s": "the same with w1,i3 - s",
}  # fmt: skip
_SECTIONS = {
    "forward: read from left to right": (
        *(f"i{k}" for k in INPUTS), *(f"net{j}" for j in HIDDEN), *(f"h{j}" for j in HIDDEN),
        *(f"{name}{k}" for name in ("neto", "outo", "y") for k in OUTPUTS), "E",
    ),
    "backward: read from right to left": (
        "dx", *(f"do{k}" for k in OUTPUTS), *(f"dh{j}" for j in HIDDEN), "di3",
    ),
    "dw of four weights, and the sum over t": tuple(f"d{w.name}" for w in _SHOWN),
    "check: w1,i3 changed by s": tuple(
        f"{name} of w1,i3 {sign} s" for sign in "+-"
        for name in (*(f"h{j}" for j in HIDDEN), *(f"out{k}" for k in OUTPUTS), "E")
    ),
}  # fmt: skip


def _rows() -> tuple[dict[str, int], dict[str, int]]:
    """Return the row of each section and of each quantity."""
    sections: dict[str, int] = {}
    quantities: dict[str, int] = {}
    row = HEADER + 1
    for section, names in _SECTIONS.items():
        sections[section] = row
        quantities |= {name: row + n for n, name in enumerate(names, 1)}
        row += len(names) + 1
    return sections, quantities


SECTION_ROW, ROW = _rows()
SLOPE_ROW = max(ROW.values()) + 1  # the result of equation (4)


def one_pair_cells(n_pairs: int, n_steps: int) -> Cells:
    """Return the sheet.

    Args:
      n_pairs: data pairs on the sheet `db`.
      n_steps: T.
    """
    total, how = letter(n_steps + 2), letter(n_steps + 3)
    found: Cells = {
        "A1": "One data pair, step by step.",
        "A2": "Change the pair or delta x, and follow how the numbers change.",
        "A4": "pair", PAIR_CELL: 1,
        "C4": f"=INDEX({DB}!$C$2:$C${n_pairs * n_steps + 1},({PAIR_CELL}-1)*{n_steps}+1)",
        "A5": "delta x", DELTA_X_CELL: 1,
        "C5": "1: the error goes back through i3 (exact). 0: each step by itself, as on rnn.",
        f"A{HEADER}": "t", f"{total}{HEADER}": "sum over t", f"{how}{HEADER}": "how",
    }  # fmt: skip
    found |= {f"{letter(t + 1)}{HEADER}": t for t in range(1, n_steps + 1)}
    found |= {f"A{row}": section for section, row in SECTION_ROW.items()}
    found |= {f"A{row}": name for name, row in ROW.items()}
    found |= {f"{how}{ROW[name]}": words for name, words in _HOW.items()}
    for t in range(1, n_steps + 1):
        column = _forward(t, n_pairs, n_steps) | _backward(t, n_steps)
        for sign in "+-":
            column |= _nudged(t, sign)
        found |= {f"{letter(t + 1)}{ROW[name]}": formula for name, formula in column.items()}
    summed = ("E", *(f"d{w.name}" for w in _SHOWN), "E of w1,i3 + s", "E of w1,i3 - s")
    first, last = letter(2), letter(n_steps + 1)
    found |= {
        f"{total}{ROW[n]}": f"=SUM({first}{ROW[n]}:{last}{ROW[n]})" for n in summed
    }  # fmt: skip
    ends = "-".join(f"{total}{ROW[f'E of w1,i3 {sign} s']}" for sign in "+-")
    found[f"A{SLOPE_ROW}"] = "(E(w + s) - E(w - s)) / 2 s"
    found[f"{total}{SLOPE_ROW}"] = f"=({ends})/{2 * STEP}"
    found[f"{how}{SLOPE_ROW}"] = "equals the sum of dw1,i3 to 5 digits if delta x is 1"
    return found


def _at(t: int) -> dict[str, str]:
    return {name: f"{letter(t + 1)}{row}" for name, row in ROW.items()}


def _forward(t: int, n_pairs: int, n_steps: int) -> dict[str, str]:
    at, last = _at(t), n_pairs * n_steps + 1
    place = f"({formulas.absolute(PAIR_CELL)}-1)*{n_steps}+{t}"
    columns = {"i1": "D", "i2": "E", "y1": "G", "y2": "F"}
    found = {n: f"=INDEX({DB}!${c}$2:${c}${last},{place})" for n, c in columns.items()}
    start = f"={PARAMETER}!{formulas.absolute(START_CELL)}"
    found["i3"] = start if t == 1 else f"={_at(t - 1)['outo2']}"
    for j in HIDDEN:
        inputs = [at[f"i{k}"] for k in INPUTS]
        found[f"net{j}"] = "=" + weighted("W", "b", j, inputs, on_parameter)
        found[f"h{j}"] = "=" + logistic(at[f"net{j}"])
    for k in OUTPUTS:
        hidden = [at[f"h{j}"] for j in HIDDEN]
        found[f"neto{k}"] = "=" + weighted("V", "c", k, hidden, on_parameter)
        found[f"outo{k}"] = "=" + logistic(at[f"neto{k}"])
    return found | {"E": "=" + formulas.half_square(at, "outo")}


def _backward(t: int, n_steps: int) -> dict[str, str]:
    at = _at(t)
    behind = f"={formulas.absolute(DELTA_X_CELL)}*{_at(t + 1)['di3']}"
    found = {"dx": behind if t < n_steps else "=0"}
    for k in OUTPUTS:
        error = f"{at[f'outo{k}']}-{at[f'y{k}']}" + (f"+{at['dx']}" if k == OUTPUTS[-1] else "")
        found[f"do{k}"] = f"=({error})*{slope(at[f'outo{k}'])}"
    for j in HIDDEN:
        back = "+".join(f"{on_parameter(Weight('V', k, j))}*{at[f'do{k}']}" for k in OUTPUTS)
        found[f"dh{j}"] = f"=({back})*{slope(at[f'h{j}'])}"
    found["di3"] = "=" + "+".join(
        f"{on_parameter(Weight('W', j, 3))}*{at[f'dh{j}']}" for j in HIDDEN
    )
    return found | {f"d{w.name}": "=" + formulas.outer(w, at) for w in _SHOWN}


def _nudged(t: int, sign: str) -> dict[str, str]:
    """Return the forward pass of equation (4) with one sign."""
    at, words = _at(t), f" of w1,i3 {sign} s"
    i3 = at["i3"] if t == 1 else _at(t - 1)[f"out2{words}"]
    inputs, hidden = [at["i1"], at["i2"], i3], [at[f"h{j}{words}"] for j in HIDDEN]
    found = {}
    for j in HIDDEN:
        net = weighted("W", "b", j, inputs, on_parameter)
        net += f"{sign}{STEP}*{i3}" if j == CHECKED.to else ""
        found[f"h{j}{words}"] = "=" + logistic(f"({net})")
    for k in OUTPUTS:
        net = weighted("V", "c", k, hidden, on_parameter)
        found[f"out{k}{words}"] = "=" + logistic(f"({net})")
    squares = (f"({at[f'out{k}{words}']}-{at[f'y{k}']})^2" for k in OUTPUTS)
    return found | {f"E{words}": f"=0.5*({'+'.join(squares)})"}
