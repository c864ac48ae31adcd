"""Where everything stands in the workbook: sheets, columns, rows and the cells of the weights.

The network has 3 inputs, 4 hidden units and 2 outputs. The weights stand at the same addresses on
the sheet `parameter` and, after the update, on each sheet of training: a reader copies one block
onto the other to go on with the next cycle.
"""

from dataclasses import dataclass
from functools import cache

N_INPUTS, N_HIDDEN, N_OUTPUTS = 3, 4, 2
DB, PARAMETER, HELD_OUT, READ_ME = "db", "parameter", "held out", "read me"
ONE_PAIR, CYCLES, EXERCISES, ANSWERS = "one pair", "cycles", "exercises", "answers"
TRAINING = ("rnn", "rnn+et", "rnn+et+dx")
DB_COLUMNS = ("pair", "t", "use", "i1", "i2", "O1", "O2")
USED, KEPT_BACK = "used", "held out"
ETA_CELL, START_CELL = "B3", "B4"  # on the sheet `parameter`
ERROR_CELL, ERROR_AFTER_CELL = "B3", "B4"  # on the sheets of training
NAMES_ROW = 6  # the names of the columns once more, on top, where they stay in sight
W_ROW, V_ROW = 13, 19  # first rows of the blocks of weights
HIDDEN, OUTPUTS, INPUTS = (tuple(range(1, n + 1)) for n in (N_HIDDEN, N_OUTPUTS, N_INPUTS))


@dataclass(frozen=True)
class Weight:
    """One weight: an entry of W (hidden, input), V (output, hidden), or of the biases b and c.

    Attributes:
      matrix: "W", "V", "b" or "c".
      to: the unit that it leads to, from 1.
      source: where it comes from, from 1; 0 for a bias.
    """

    matrix: str
    to: int
    source: int = 0

    @property
    def name(self) -> str:
        """How headers call it, as in w2,i3 or v1,h4."""
        kind = {"W": "i", "V": "h"}.get(self.matrix)
        return f"{self.matrix.lower()}{self.to}" + (f",{kind}{self.source}" if kind else "")

    @property
    def cell(self) -> str:
        """Its address, as in B13, on `parameter` and on the sheets of training."""
        n_sources = N_INPUTS if self.matrix in "Wb" else N_HIDDEN
        row = (W_ROW if self.matrix in "Wb" else V_ROW) + self.to - 1
        return f"{letter(1 + (self.source or n_sources + 1))}{row}"


# The 20 weights first, because the slides show no biases; then the 6 biases.
WEIGHTS = (
    *(Weight("W", j, k) for j in HIDDEN for k in INPUTS),
    *(Weight("V", k, j) for k in OUTPUTS for j in HIDDEN),
    *(Weight("b", j) for j in HIDDEN),
    *(Weight("c", k) for k in OUTPUTS),
)


@cache
def letter(number: int) -> str:
    """Return the name of a column: 1 is A, 27 is AA."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _numbered(name: str, numbers: tuple[int, ...]) -> list[str]:
    return [f"{name}{n}" for n in numbers]


# From neto1 to di3 these are the columns of the table that the slides print, in its order.
FORWARD_COLUMNS = (
    "pair", "t", *_numbered("i", INPUTS), "y1", "y2",
    *_numbered("net", HIDDEN), *_numbered("h", HIDDEN),
    *_numbered("neto", OUTPUTS), *_numbered("outo", OUTPUTS),
)  # fmt: skip
BACKWARD_COLUMNS = (
    *_numbered("do", OUTPUTS), *_numbered("dh", HIDDEN), *_numbered("di", INPUTS), "dx",
)  # fmt: skip
AFTER_COLUMNS = (*_numbered("new h", HIDDEN), *_numbered("new out", OUTPUTS), "new E")
LABELS = "of the cycle"  # the column of row labels, left of dw
COLUMNS = (
    *FORWARD_COLUMNS, *BACKWARD_COLUMNS, "E",
    LABELS, *(f"d{w.name}" for w in WEIGHTS), *AFTER_COLUMNS,
)  # fmt: skip
COLUMN = {name: letter(n) for n, name in enumerate(COLUMNS, 1)}
HELD_OUT_COLUMNS = (*FORWARD_COLUMNS, "E")
HELD_OUT_COLUMN = {name: letter(n) for n, name in enumerate(HELD_OUT_COLUMNS, 1)}


@dataclass(frozen=True)
class Rows:
    """The rows of a sheet of training, for T steps.

    Attributes:
      n_steps: T.
      n_pairs: data pairs on the sheet.
    """

    n_steps: int
    n_pairs: int
    mean = 7  # dw averaged over the pairs, t = 1

    @property
    def multiplier(self) -> int:
        """The factor of dw, t = 1."""
        return self.mean + self.n_steps + 1

    @property
    def scaled(self) -> int:
        """The scaled dw, t = 1."""
        return self.multiplier + self.n_steps + 1

    @property
    def total(self) -> int:
        """Dw summed over the steps; the old and the new weights stand below."""
        return self.scaled + self.n_steps + 1

    @property
    def header(self) -> int:
        """The names of the columns; a row of groups stands above."""
        return max(self.total + 2, V_ROW + N_OUTPUTS - 1) + 3

    @property
    def first(self) -> int:
        """Pair 1, step 1."""
        return self.header + 1

    @property
    def last(self) -> int:
        """The last step of the last pair."""
        return self.header + self.n_pairs * self.n_steps
