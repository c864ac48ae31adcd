"""Parametrisation over long lists of subjects: some in `make test`, more in wider runs.

Subjects belong to one of three tiers: without a mark to `make test`, with the mark `wide` to what
`make test-all` adds, with the mark `slow` to runs with --slow alone.
"""

import pytest


def crossed(names, rows, columns, always=(), every=1, first=0, wide=1, others=pytest.mark.slow):
    """Parametrise a test over pairs (row, column).

    `make test-all` runs at least one pair for each n-th row, and for each column if enough rows are
    left; all other pairs are marked slow, or as `others`.

    Args:
      names: the names of the two arguments, as in `pytest.mark.parametrize`.
      rows: the longer list.
      columns: the shorter one.
      always: rows that are paired with every column in `make test-all`.
      every: n, for a test whose rows other tests of the same run take as well.
      first: the first of these rows.
      wide: m, of those pairs each m-th is for `make test`; of the others each third is wide.
      others: the mark of all other pairs.
    """
    rows, columns = list(rows), list(columns)
    assert len(rows) >= len(columns)
    pairs, n_taken = [], 0
    for i, row in enumerate(rows, -first):
        for j, column in enumerate(columns):
            its_turn = i % every == 0 and j == i // every % len(columns)
            marks = others
            if its_turn or row in always:
                marks = _marks(n_taken, wide)
                n_taken += 1
            pairs.append(pytest.param(row, column, marks=marks, id=f"{told(row)}-{told(column)}"))
    return pytest.mark.parametrize(names, pairs)


def one_in(n, subjects, always=(), first=0, wide=1):
    """Return subjects as parameters: every n-th from the first on, and those of always.

    Of these each m-th, m = `wide`, is for `make test`; of the others each third is marked wide, and
    the rest slow.
    """
    found, n_taken = [], 0
    for i, subject in enumerate(subjects):
        marks = pytest.mark.slow
        if i % n == first % n or subject in always:
            marks = _marks(n_taken, wide)
            n_taken += 1
        found.append(pytest.param(subject, marks=marks) if marks else subject)
    return found


def _marks(number, wide):
    """Return the marks of the subject of this number among those that were taken."""
    if number % wide == 0:
        return ()
    return pytest.mark.wide if number % 3 == 1 else pytest.mark.slow


def wide_but(kept, subjects):
    """Return subjects as parameters: all wide but those of `kept`, and those marked before."""
    return [
        s if isinstance(s, type(pytest.param())) or s in kept
        else pytest.param(s, marks=pytest.mark.wide)
        for s in subjects
    ]  # fmt: skip


_NAMES = ("__name__", "what", "name")


def told(value):
    name = next((n for n in (getattr(value, a, None) for a in _NAMES) if n), None)
    return value if isinstance(value, str) else name or str(value)
