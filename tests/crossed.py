"""Parametrisation over long lists of subjects: some in every run, all of them with --slow."""

from itertools import chain, repeat

import pytest


def crossed(names, rows, columns, always=()):
    """Parametrise a test over pairs (row, column).

    Every run has at least one pair for each row and each column; all other pairs are marked slow.

    Args:
      names: the names of the two arguments, as in `pytest.mark.parametrize`.
      rows: the longer list.
      columns: the shorter one.
      always: rows that are paired with every column in every run.
    """
    rows, columns = list(rows), list(columns)
    assert len(rows) >= len(columns)
    pairs = chain.from_iterable(
        zip(repeat(i), enumerate(columns), repeat(row)) for i, row in enumerate(rows)
    )
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(
                row,
                column,
                marks=() if j == i % len(columns) or row in always else pytest.mark.slow,
                id=f"{told(row)}-{told(column)}",
            )
            for i, (j, column), row in pairs
        ],
    )


def one_in(n, subjects, always=()):
    """Return subjects as parameters: every n-th one for every run, the others marked slow."""
    return [
        subject
        if i % n == 0 or subject in always
        else pytest.param(subject, marks=pytest.mark.slow)
        for i, subject in enumerate(subjects)
    ]


_NAMES = ("__name__", "what", "name")


def told(value):
    name = next((n for n in (getattr(value, a, None) for a in _NAMES) if n), None)
    return value if isinstance(value, str) else name or str(value)
