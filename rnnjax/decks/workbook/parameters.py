"""The sheet `parameter`: the learning rate, the first i3, and the 26 weights."""

from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from rnnjax.cells import Jordan, JordanParams
from rnnjax.decks.tasks.data_pairs import START
from rnnjax.decks.workbook.layout import (
    N_HIDDEN,
    N_INPUTS,
    N_OUTPUTS,
    PARAMETER,
    WEIGHTS,
    Weight,
)
from rnnjax.decks.workbook.spreadsheet import number, read_rows
from rnnjax.types import Array


@dataclass(frozen=True)
class Setting:
    """What the sheet `parameter` holds.

    Attributes:
      params: the weights.
      eta: learning rate.
      start: i3 at the first step.
    """

    params: JordanParams
    eta: float = 0.5
    start: float = START

    @property
    def cell(self) -> Jordan:
        """The network: output 2 is fed back as i3."""
        return network(start=self.start)


def network(
    start: Array | float = START, spread: Array | float | None = None, n_hidden: int = N_HIDDEN
) -> Jordan:
    """Return the 3-4-2 network: two inputs and the second output fed back behind them.

    Args:
      start: i3 at the first step.
      spread: standard deviation of the initial weights, see `rnnjax.cells.Jordan`.
      n_hidden: hidden units; the sheets have 4.
    """
    return Jordan(
        N_INPUTS - 1,
        n_hidden,
        N_OUTPUTS,
        feedback=(N_OUTPUTS - 1,),
        start=start,
        spread=spread,
    )


def entry(params: JordanParams, weight: Weight) -> float:
    """Return the value of one weight."""
    place = (weight.to - 1, weight.source - 1) if weight.source else (weight.to - 1,)
    return float(np.asarray(getattr(params, weight.matrix))[place])


def as_params(values: dict[Weight, float]) -> JordanParams:
    """Return the values of all weights as parameters of the network."""
    matrices = {
        "W": np.zeros((N_HIDDEN, N_INPUTS)),
        "b": np.zeros(N_HIDDEN),
        "V": np.zeros((N_OUTPUTS, N_HIDDEN)),
        "c": np.zeros(N_OUTPUTS),
    }
    for weight, value in values.items():
        place = (weight.to - 1, weight.source - 1) if weight.source else (weight.to - 1,)
        matrices[weight.matrix][place] = value
    return JordanParams(**{name: jnp.asarray(matrix) for name, matrix in matrices.items()})


def read_weights(path: Path, sheet: str = PARAMETER) -> JordanParams:
    """Return the weights on a sheet of a spreadsheet.

    Args:
      path: the spreadsheet.
      sheet: `parameter`, or a sheet of training for its new weights, if the program that saved the
        file has computed them.

    Raises:
      ConfigError: naming the first cell that is wrong, as in parameter!C14.
    """
    rows = read_rows(path, sheet)
    return as_params({w: number(_value(rows, w), f"{sheet}!{w.cell}") for w in WEIGHTS})


def _value(rows: list[tuple], weight: Weight) -> object:
    column, row = ord(weight.cell[0]) - ord("A"), int(weight.cell[1:]) - 1
    return rows[row][column] if row < len(rows) and column < len(rows[row]) else None
