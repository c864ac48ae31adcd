"""The sheet `cycles`: training cycles in a chain, each with the weights that the one before made.

Every way to train has a strip of columns, and every cycle a block of rows in it:

  | the cycle, and E before it |
  | weights      | w1,i1 ... c2: of `parameter` in cycle 1, else "after" of the block above  (1)
  | mean dw      | t = 1 .. T: mean over the pairs of a delta times what it meets             (2)
  | scaled dw    | t = 1 .. T: (2), from t = 3 on times dw(t-1) / dw(t-2), in strips with et  (3)
  | sum over t   |
  | after        | w - eta sum_t (3)                                                          (4)
  | t i3 h out do dx dh di3 E | one row for each step of each pair, equations of `formulas`

The block of the last cycle holds the forward pass only: E after all updates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rnnjax.decks.workbook import formulas
from rnnjax.decks.workbook.formulas import logistic, slope, weighted
from rnnjax.decks.workbook.layout import (
    COLUMN,
    ETA_CELL,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    PARAMETER,
    START_CELL,
    TRAINING,
    WEIGHTS,
    Rows,
    Weight,
    letter,
)
from rnnjax.decks.workbook.summary import Cells

N_CYCLES = 20  # updates; E is shown before the first and after each of them
TABLE = 6  # the header of the table of errors
FIRST_BLOCK = TABLE + N_CYCLES + 4
STEP_COLUMNS = (
    "t", "i3", *(f"h{j}" for j in HIDDEN), *(f"out{k}" for k in OUTPUTS),
    *(f"do{k}" for k in OUTPUTS), "dx", *(f"dh{j}" for j in HIDDEN), "di3", "E",
)  # fmt: skip
STRIP_WIDTH = len(WEIGHTS) + 3  # the labels, the weights, and two empty columns
_FORWARD = {"t", "i3", "E", *(f"h{j}" for j in HIDDEN), *(f"out{k}" for k in OUTPUTS)}
_SOURCE = "rnn"  # the data of the pairs are read from this sheet


@dataclass(frozen=True)
class Block:
    """Where a cycle stands in the strip of one way to train.

    Attributes:
      way: one of `TRAINING`.
      cycle: from 0; N_CYCLES is the forward pass after the last update.
      rows: where the pairs stand on the sheets of training.
    """

    way: str
    cycle: int
    rows: Rows

    @property
    def top(self) -> int:
        """The row of the title; the names of the weights stand below."""
        height = 2 * self.rows.n_steps + 8 + self.rows.n_pairs * self.rows.n_steps
        return FIRST_BLOCK + self.cycle * height

    @property
    def weights(self) -> int:
        """The row of the weights before the update."""
        return self.top + 2

    @property
    def mean(self) -> int:
        """Mean dw, t = 1."""
        return self.weights + 1

    @property
    def scaled(self) -> int:
        """Scaled dw, t = 1."""
        return self.mean + self.rows.n_steps

    @property
    def total(self) -> int:
        """Scaled dw summed over the steps; the weights after the update stand below."""
        return self.scaled + self.rows.n_steps

    @property
    def first(self) -> int:
        """Pair 1, step 1; the names of the columns stand above."""
        return self.total + 3

    @property
    def last(self) -> int:
        """The last step of the last pair."""
        return self.first + self.rows.n_pairs * self.rows.n_steps - 1

    def column(self, n: int) -> str:
        """Return the letter of a column of the strip, 0 for the labels."""
        return letter(1 + STRIP_WIDTH * TRAINING.index(self.way) + n)

    def of_weight(self, weight: Weight) -> str:
        """Return the letter of the column of a weight."""
        return self.column(1 + WEIGHTS.index(weight))

    @cached_property
    def _addresses(self) -> dict[Weight, str]:
        return {w: formulas.absolute(f"{self.of_weight(w)}{self.weights}") for w in WEIGHTS}

    def reference(self, weight: Weight) -> str:
        """Return the address of a weight before the update."""
        return self._addresses[weight]

    @cached_property
    def columns(self) -> dict[str, str]:
        """The letter of each column of the steps."""
        return {name: self.column(n) for n, name in enumerate(STEP_COLUMNS)}

    @property
    def error_cell(self) -> str:
        """Where E before the update stands."""
        return f"{self.column(2)}{self.top}"


def blocks(rows: Rows) -> Iterator[Block]:
    """Yield the blocks of all ways and cycles."""
    for way in TRAINING:
        for cycle in range(N_CYCLES + 1):
            yield Block(way, cycle, rows)


def cycles_cells(rows: Rows) -> Cells:
    """Return the sheet.

    Args:
      rows: where the pairs stand on the sheets of training.
    """
    found: Cells = {
        "A1": f"{N_CYCLES} training cycles in a chain: each takes the weights of the one before.",
        "A2": "The calculation stands below, one block of rows a cycle and one strip of columns "
        "for each way to train.",
        "A3": "Press + at the left edge to open the rows of a cycle. Cycle 0 is before training.",
        "A4": "Where a ratio divides by a dw near 0, the last digits decide: programs differ then.",
        f"A{TABLE}": "cycle",
    }  # fmt: skip
    for n, way in enumerate(TRAINING):
        found[f"{letter(n + 2)}{TABLE}"] = f"E {way}"
    for cycle in range(N_CYCLES + 1):
        found[f"A{TABLE + 1 + cycle}"] = cycle
    for block in blocks(rows):
        place = f"{letter(TRAINING.index(block.way) + 2)}{TABLE + 1 + block.cycle}"
        found[place] = f"={block.error_cell}"
        found |= _block(block)
    return found


def _block(block: Block) -> Cells:
    label, updates = block.column(0), block.cycle < N_CYCLES
    found: Cells = {f"{label}{block.top}": f"{block.way}, after {block.cycle} cycles"}
    found[f"{block.column(1)}{block.top}"] = "E"
    e = block.columns["E"]
    found[block.error_cell] = f"=SUM({e}{block.first}:{e}{block.last})/{block.rows.n_pairs}"
    found[f"{label}{block.weights}"] = "weights"
    for weight in WEIGHTS:
        found[f"{block.of_weight(weight)}{block.top + 1}"] = weight.name
        found[f"{block.of_weight(weight)}{block.weights}"] = _before(block, weight)
    found |= {f"{column}{block.first - 1}": name for name, column in block.columns.items()
              if updates or name in _FORWARD}  # fmt: skip
    for row in range(block.first, block.last + 1):
        step = (row - block.first) % block.rows.n_steps + 1
        for name, formula in _step(block, row, step).items():
            if updates or name in _FORWARD:
                found[f"{block.columns[name]}{row}"] = formula
    return found | (_update(block) if updates else {})


def _before(block: Block, weight: Weight) -> str:
    if block.cycle == 0:
        return f"={formulas.on_parameter(weight)}"
    above = Block(block.way, block.cycle - 1, block.rows)
    return f"={above.of_weight(weight)}{above.total + 1}"


def _update(block: Block) -> Cells:
    """Return equations (2) to (4) and their labels."""
    label, steps = block.column(0), range(block.rows.n_steps)
    found: Cells = {f"{label}{block.mean + t}": f"mean dw, t={t + 1}" for t in steps}
    found |= {f"{label}{block.scaled + t}": f"scaled dw, t={t + 1}" for t in steps}
    found |= {f"{label}{block.total}": "sum over t", f"{label}{block.total + 1}": "weights after"}
    eta = f"{PARAMETER}!{formulas.absolute(ETA_CELL)}"
    for weight in WEIGHTS:
        column = block.of_weight(weight)
        for t in steps:
            mean = f"{column}{block.mean + t}"
            found[mean] = _mean(block, weight, t + 1)
            ratio = "+et" in block.way and t >= 2
            factor = f"*({column}{block.mean + t - 1}/{column}{block.mean + t - 2})"
            found[f"{column}{block.scaled + t}"] = f"={mean}" + (factor if ratio else "")
        scaled = f"{column}{block.scaled}:{column}{block.scaled + block.rows.n_steps - 1}"
        found[f"{column}{block.total}"] = f"=SUM({scaled})"
        before, total = f"{column}{block.weights}", f"{column}{block.total}"
        found[f"{column}{block.total + 1}"] = f"={before}-{eta}*{total}"
    return found


def _mean(block: Block, weight: Weight, t: int) -> str:
    """Return equation (2): the mean over the pairs of dw in step t."""
    own = {n: f"{c}{block.first}:{c}{block.last}" for n, c in block.columns.items()}
    given = {n: f"{_SOURCE}!{COLUMN[n]}{block.rows.first}:{COLUMN[n]}{block.rows.last}"
             for n in ("i1", "i2")}  # fmt: skip
    product = formulas.outer(weight, own | given)
    return f"=SUMPRODUCT(({own['t']}={t})*{product})/{block.rows.n_pairs}"


def _step(block: Block, row: int, step: int) -> dict[str, str]:
    at = {name: f"{column}{row}" for name, column in block.columns.items()}
    there = block.rows.first + row - block.first
    at |= {name: f"{_SOURCE}!{COLUMN[name]}{there}" for name in ("i1", "i2", "y1", "y2")}
    start = f"={PARAMETER}!{formulas.absolute(START_CELL)}"
    i3 = start if step == 1 else f"={block.columns['out2']}{row - 1}"
    found = {"t": f"={_SOURCE}!{COLUMN['t']}{there}", "i3": i3}
    inputs, hidden = [at[f"i{k}"] for k in INPUTS], [at[f"h{j}"] for j in HIDDEN]
    for j in HIDDEN:
        net = weighted("W", "b", j, inputs, block.reference)
        found[f"h{j}"] = "=" + logistic(f"({net})")
    for k in OUTPUTS:
        net = weighted("V", "c", k, hidden, block.reference)
        found[f"out{k}"] = "=" + logistic(f"({net})")
    found["E"] = "=" + formulas.half_square(at, "out")
    behind = block.way.endswith("+dx") and step < block.rows.n_steps
    found["dx"] = f"={block.columns['di3']}{row + 1}" if behind else "=0"
    for k in OUTPUTS:
        error = f"{at[f'out{k}']}-{at[f'y{k}']}" + (f"+{at['dx']}" if k == OUTPUTS[-1] else "")
        found[f"do{k}"] = f"=({error})*{slope(at[f'out{k}'])}"
    for j in HIDDEN:
        back = "+".join(f"{block.reference(Weight('V', k, j))}*{at[f'do{k}']}" for k in OUTPUTS)
        found[f"dh{j}"] = f"=({back})*{slope(at[f'h{j}'])}"
    found["di3"] = "=" + "+".join(
        f"{block.reference(Weight('W', j, 3))}*{at[f'dh{j}']}" for j in HIDDEN
    )
    return found
