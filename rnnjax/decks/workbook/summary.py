"""The block on top of a sheet of training: from dw of every pair and step to the new weights.

  dw_t = mean_p dw_{p,t}                                                  (1)
  dw'_t = dw_t m_t    m_t = dw_{t-1} / dw_{t-2} for t >= 3, else 1         (2)
  w <- w - eta sum_t dw'_t                                                (3)

m_t is taken on the sheets with `et`; it is 1 everywhere on the sheet `rnn`. There is no ratio where
dw_{t-2} is 0: the cell then shows #DIV/0!, and so does everything that depends on it.
"""

from rnnjax.decks.workbook.formulas import absolute, on_parameter
from rnnjax.decks.workbook.layout import COLUMN, ETA_CELL, LABELS, PARAMETER, WEIGHTS, Rows

Cells = dict[str, object]  # by address


def error_cell(column: str, rows: Rows) -> str:
    """Return the error, mean over pairs and sum over steps of a column."""
    return f"=SUM({column}{rows.first}:{column}{rows.last})/{rows.n_pairs}"


def summary(rows: Rows, *, ratio: bool) -> Cells:
    """Return the formulas of equations (1) to (3) and the labels of their rows.

    Args:
      rows: where they stand.
      ratio: whether dw is scaled by the ratio of the two steps before.
    """
    found: Cells = _labels(rows)
    for weight in WEIGHTS:
        column = COLUMN[f"d{weight.name}"]
        found[f"{column}{rows.mean - 1}"] = weight.name
        for t in range(1, rows.n_steps + 1):
            found |= _step(column, rows, t, ratio=ratio)
        first, last = rows.scaled, rows.scaled + rows.n_steps - 1
        total, old, new = (f"{column}{rows.total + n}" for n in range(3))
        eta = f"{PARAMETER}!{absolute(ETA_CELL)}"
        found[total] = f"=SUM({column}{first}:{column}{last})"
        found[old] = f"={on_parameter(weight)}"
        found[new] = f"={old}-{eta}*{total}"
        found[weight.cell] = f"={new}"
    return found


def _step(column: str, rows: Rows, t: int, *, ratio: bool) -> Cells:
    mean, multiplier, out = (
        f"{column}{top + t - 1}" for top in (rows.mean, rows.multiplier, rows.scaled)
    )
    one_back, two_back = (f"{column}{rows.mean + t - 1 - n}" for n in (1, 2))
    return {
        mean: f"=AVERAGEIF({_all('t', rows)},{t},{_all_of(column, rows)})",
        multiplier: f"={one_back}/{two_back}" if ratio and t >= 3 else 1,
        out: f"={mean}*{multiplier}",
    }


def _labels(rows: Rows) -> Cells:
    column = COLUMN[LABELS]
    found: Cells = {
        f"{column}{rows.total}": "dw of the cycle: sum over t",
        f"{column}{rows.total + 1}": "weight before",
        f"{column}{rows.total + 2}": "weight after",
    }
    blocks = ((rows.mean, "mean dw"), (rows.multiplier, "factor"), (rows.scaled, "scaled dw"))
    for top, words in blocks:
        found |= {f"{column}{top + t}": f"{words}, t={t + 1}" for t in range(rows.n_steps)}
    return found


def _all(name: str, rows: Rows) -> str:
    return _all_of(COLUMN[name], rows)


def _all_of(column: str, rows: Rows) -> str:
    return f"${column}${rows.first}:${column}${rows.last}"
