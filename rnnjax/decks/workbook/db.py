"""The sheet `db`: data pairs, one step a row, and whether a pair is used or held out.

| pair | t | use | i1 | i2 | O1 | O2 |

i1 is fixed for all time, i2 changes with time, and i3 is taken from the previous step, so it is no
column. The network needs the fed-back output last: its output 1 is O2 and its output 2 is O1.
"""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.decks.tasks.data_pairs import DataPairs, used
from rnnjax.decks.workbook.layout import DB, DB_COLUMNS, KEPT_BACK, USED, letter
from rnnjax.decks.workbook.spreadsheet import number, read_rows
from rnnjax.errors import ConfigError, shown
from rnnjax.lazy import jnp
from rnnjax.types import Batch

_MAX_ROWS = 2000
_MAX_USED_ROWS = 700  # 120 kB each, unpacked: the file stays below what `read_rows` accepts
Cell = tuple[int, tuple[Any, ...]]  # the number of a row, from 1, and its values


@dataclass(frozen=True)
class Table:
    """Data pairs, P of them, in the order of the network's outputs.

    Attributes:
      x: i1 and i2, (P, T, 2).
      y: O2 and O1, (P, T, 2).
      used: whether a pair is used for training, (P,).
    """

    x: np.ndarray
    y: np.ndarray
    used: np.ndarray

    @property
    def n_steps(self) -> int:
        """T."""
        return self.x.shape[1]

    def batch(self, *, used: bool) -> Batch:
        """Return the pairs that are used, or those held out, with leaves (B, T, ...)."""
        chosen = self.used == used
        x, y = jnp.asarray(self.x[chosen]), jnp.asarray(self.y[chosen])
        return Batch(x, y, jnp.ones(x.shape[:2]))

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the sheet below its header."""
        return [
            (p + 1, t + 1, USED if self.used[p] else KEPT_BACK, *x.tolist(), *y[::-1].tolist())
            for p in range(len(self.x))
            for t, (x, y) in enumerate(zip(self.x[p], self.y[p], strict=True))
        ]


def from_task(task: DataPairs) -> Table:
    """Return the 81 pairs of the task, 27 of them used."""
    pairs = task.pairs()
    return Table(np.asarray(pairs.x), np.asarray(pairs.y), used())


def read_table(path: Path) -> Table:
    """Return the data pairs on the sheet `db` of a spreadsheet.

    Raises:
      ConfigError: naming the first cell that is wrong, as in db!C17.
    """
    rows = read_rows(path, DB)
    _check_header(rows[0] if rows else ())
    if not 1 <= len(rows) - 1 <= _MAX_ROWS:
        message = f"expected 1 to {_MAX_ROWS} rows of data, got {len(rows) - 1}"
        raise ConfigError(_at(2, 0), message)
    body = list(enumerate(rows[1:], 2))
    for row in body:
        _check_row(*row)
    pairs = [list(group) for _, group in groupby(body, key=lambda row: row[1][0])]
    _check_pairs(pairs)
    values = np.array([[row[3:] for _, row in pair] for pair in pairs], dtype=float)
    chosen = np.array([pair[0][1][2] == USED for pair in pairs])
    return Table(values[..., :2], values[..., :1:-1], chosen)


def _at(row: int, column: int) -> str:
    return f"{DB}!{letter(column + 1)}{row}"


def _check_header(found: tuple[Any, ...]) -> None:
    n_columns = len(DB_COLUMNS)
    for column, name in enumerate(DB_COLUMNS):
        got = found[column] if column < len(found) else None
        if got != name:
            raise ConfigError(
                _at(1, column), f"expected the header {name!r}, got {_shown_cell(got)}"
            )
    if len(found) > n_columns:
        column = next((c for c in range(n_columns, len(found)) if found[c] is not None), n_columns)
        message = f"expected {n_columns} columns, got {len(found)}"
        raise ConfigError(_at(1, column), message)


def _check_row(row: int, values: tuple[Any, ...]) -> None:
    for column in (0, 1, 3, 4, 5, 6):
        number(values[column], _at(row, column))
    if values[2] not in (USED, KEPT_BACK):
        message = f"expected {USED!r} or {KEPT_BACK!r}, got {_shown_cell(values[2])}"
        raise ConfigError(_at(row, 2), message)


def _check_pairs(pairs: list[list[Cell]]) -> None:
    n_steps, seen = len(pairs[0]), set()
    for pair in pairs:
        (row, first), *_ = pair
        if first[0] in seen:
            message = f"expected the steps of pair {first[0]} together, got it a second time"
            raise ConfigError(_at(row, 0), message)
        seen.add(first[0])
        _check_pair(pair, n_steps)
    if all(pair[0][1][2] != USED for pair in pairs):
        raise ConfigError(_at(2, 2), "expected at least one pair that is used, got none")
    n_used = sum(len(pair) for pair in pairs if pair[0][1][2] == USED)
    if n_used > _MAX_USED_ROWS:
        message = f"expected at most {_MAX_USED_ROWS} rows of pairs that are used, got {n_used}"
        raise ConfigError(_at(2, 2), message)


def _check_pair(pair: list[Cell], n_steps: int) -> None:
    _, first = pair[0]
    for step, (row, values) in enumerate(pair, 1):
        if values[1] != step or step > n_steps:
            expected = (
                f"step {step}" if step <= n_steps else f"{n_steps} steps as in the pair on top"
            )
            raise ConfigError(_at(row, 1), f"expected {expected}, got t = {values[1]}")
        for column, message in ((2, "one use"), (3, "i1 fixed for all time")):
            if values[column] != first[column]:
                expected = f"{message}, {shown(first[column])} in pair {first[0]}"
                raise ConfigError(
                    _at(row, column), f"expected {expected}, got {shown(values[column])}"
                )
    if len(pair) < n_steps:
        row = pair[-1][0]
        message = (
            f"expected {n_steps} steps as in the pair on top, got {len(pair)} in pair {first[0]}"
        )
        raise ConfigError(_at(row, 1), message)


def _shown_cell(value: Any) -> str:
    return "an empty cell" if value is None else shown(value)
