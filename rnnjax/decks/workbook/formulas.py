"""The formulas of one step of one data pair, a row of a sheet of training.

  net = W [i1, i2, i3] + b    h = s(net)    neto = V h + c    outo = s(neto)          (1)
  do = (outo - y + [0, dx]) outo (1 - outo)    dh = (V' do) h (1 - h)    di = W' dh   (2)
  dx = di3 of the next step on the sheet rnn+et+dx, 0 on the others and at the last step   (3)
  dV = do h'    dW = dh [i1, i2, i3]'    dc = do    db = dh                           (4)

i3 is the start value at the first step and outo2 of the row above at the others. With (3) di3 goes
back through all steps, which is backpropagation through time; without it, each step is by itself.
"""

from collections.abc import Callable, Mapping

from rnnjax.decks.workbook.layout import (
    COLUMN,
    DB,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    PARAMETER,
    START_CELL,
    WEIGHTS,
    Weight,
)

Reference = Callable[[Weight], str]
# The other way round than in the table of data: the fed-back output has to be the last.
SLOT_OF_OUTPUT = {"y1": "O2", "y2": "O1"}
_DB_COLUMN = {"pair": "A", "t": "B", "i1": "D", "i2": "E", "O1": "F", "O2": "G"}


def absolute(cell: str) -> str:
    """Return the address that stays when a formula is copied: $B$13 for B13."""
    column = cell.rstrip("0123456789")
    return f"${column}${cell[len(column) :]}"


def on_parameter(weight: Weight) -> str:
    """Return where the weight stands before the cycle."""
    return f"{PARAMETER}!{absolute(weight.cell)}"


def here(weight: Weight) -> str:
    """Return where the weight stands after the cycle, on the sheet of training itself."""
    return absolute(weight.cell)


def forward(columns: Mapping[str, str], row: int, db_row: int, step: int) -> dict[str, str]:
    """Return equation (1) with its inputs and targets, by column.

    Args:
      columns: the letter of each column of the sheet.
      row: the row on the sheet.
      db_row: the row of this step on the sheet `db`.
      step: t, from 1.
    """
    at = {name: f"{column}{row}" for name, column in columns.items()}
    found = {name: f"={DB}!{_DB_COLUMN[name]}{db_row}" for name in ("pair", "t", "i1", "i2")}
    found["i3"] = (
        f"={PARAMETER}!{absolute(START_CELL)}" if step == 1 else f"={columns['outo2']}{row - 1}"
    )
    found |= {y: f"={DB}!{_DB_COLUMN[o]}{db_row}" for y, o in SLOT_OF_OUTPUT.items()}
    inputs = [at[f"i{k}"] for k in INPUTS]
    hidden = [at[f"h{j}"] for j in HIDDEN]
    for j in HIDDEN:
        found[f"net{j}"] = "=" + weighted("W", "b", j, inputs, on_parameter)
        found[f"h{j}"] = "=" + logistic(at[f"net{j}"])
    for k in OUTPUTS:
        found[f"neto{k}"] = "=" + weighted("V", "c", k, hidden, on_parameter)
        found[f"outo{k}"] = "=" + logistic(at[f"neto{k}"])
    found["E"] = "=" + half_square(at, "outo")
    return found


def backward(row: int, *, delta_x: bool) -> dict[str, str]:
    """Return equations (2), (3) and (4) by column.

    Args:
      row: the row on the sheet.
      delta_x: whether a later step sends its di3 back to this one.
    """
    at = {name: f"{column}{row}" for name, column in COLUMN.items()}
    found = {"dx": f"={COLUMN['di3']}{row + 1}" if delta_x else "0"}
    found["do1"] = f"=({at['outo1']}-{at['y1']})*{slope(at['outo1'])}"
    found["do2"] = f"=({at['outo2']}-{at['y2']}+{at['dx']})*{slope(at['outo2'])}"
    for j in HIDDEN:
        back = "+".join(f"{on_parameter(Weight('V', k, j))}*{at[f'do{k}']}" for k in OUTPUTS)
        found[f"dh{j}"] = f"=({back})*{slope(at[f'h{j}'])}"
    for k in INPUTS:
        terms = (f"{on_parameter(Weight('W', j, k))}*{at[f'dh{j}']}" for j in HIDDEN)
        found[f"di{k}"] = "=" + "+".join(terms)
    return found | {f"d{w.name}": "=" + outer(w, at) for w in WEIGHTS}


def forward_after(row: int, step: int) -> dict[str, str]:
    """Return equation (1) with the weights after the cycle, by column."""
    at = {name: f"{column}{row}" for name, column in COLUMN.items()}
    i3 = at["i3"] if step == 1 else f"{COLUMN['new out2']}{row - 1}"
    inputs = [at["i1"], at["i2"], i3]
    hidden = [at[f"new h{j}"] for j in HIDDEN]
    found = {
        f"new h{j}": "=" + logistic(f"({weighted('W', 'b', j, inputs, here)})") for j in HIDDEN
    }
    for k in OUTPUTS:
        found[f"new out{k}"] = "=" + logistic(f"({weighted('V', 'c', k, hidden, here)})")
    return found | {"new E": "=" + half_square(at, "new out")}


def logistic(net: str) -> str:
    """Return s(net); EXP of more than 709 would be an error, and s is 0 there anyway."""
    return f"1/(1+EXP(-MAX({net},-700)))"


def weighted(matrix: str, bias: str, to: int, sources: list[str], reference: Reference) -> str:
    """Return a net input: the weights of a unit times the cells of its sources, plus its bias."""
    terms = [f"{reference(Weight(matrix, to, k))}*{s}" for k, s in enumerate(sources, 1)]
    return "+".join([*terms, reference(Weight(bias, to))])


def slope(value: str) -> str:
    """Return the derivative of s, from its value."""
    return f"{value}*(1-{value})"


def half_square(at: Mapping[str, str], out: str) -> str:
    """Return half the squared error of a step, from the addresses of outputs and targets."""
    return "0.5*(" + "+".join(f"({at[f'{out}{k}']}-{at[f'y{k}']})^2" for k in OUTPUTS) + ")"


def outer(weight: Weight, at: Mapping[str, str]) -> str:
    """Return dw of a weight in a step: its delta times what stands at its source."""
    delta = at[f"{'dh' if weight.matrix in 'Wb' else 'do'}{weight.to}"]
    source = {"W": "i", "V": "h"}.get(weight.matrix)
    return f"{delta}*{at[f'{source}{weight.source}']}" if source else delta
