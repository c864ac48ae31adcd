"""Parametrisation over long lists of subjects: some in every run, all of them with --slow."""

import pytest


def crossed(names, rows, columns, always=(), every=1, first=0):
    """Parametrise a test over pairs (row, column).

    Every run has at least one pair for each n-th row, and for each column if enough rows are left;
    all other pairs are marked slow.

    Args:
      names: the names of the two arguments, as in `pytest.mark.parametrize`.
      rows: the longer list.
      columns: the shorter one.
      always: rows that are paired with every column in every run.
      every: n, for a test whose rows other tests of the same run take as well.
      first: the first of these rows.
    """
    rows, columns = list(rows), list(columns)
    assert len(rows) >= len(columns)
    pairs = []
    for i, row in enumerate(rows, -first):
        for j, column in enumerate(columns):
            its_turn = i % every == 0 and j == i // every % len(columns)
            marks = () if its_turn or row in always else pytest.mark.slow
            name = f"{told(row)}-{told(column)}"
            pairs.append(pytest.param(row, column, marks=marks, id=name))
    return pytest.mark.parametrize(names, pairs)


def one_in(n, subjects, always=(), first=0):
    """Return subjects as parameters: every n-th from the first on for every run, others slow."""
    return [
        subject
        if i % n == first % n or subject in always
        else pytest.param(subject, marks=pytest.mark.slow)
        for i, subject in enumerate(subjects)
    ]


_NAMES = ("__name__", "what", "name")


def told(value):
    name = next((n for n in (getattr(value, a, None) for a in _NAMES) if n), None)
    return value if isinstance(value, str) else name or str(value)
