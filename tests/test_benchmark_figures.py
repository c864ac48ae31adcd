"""The titles of the figures of the benchmarks count what the figures show."""

from benchmarks import picture


def test_a_title_counts_peers_and_goals():
    rows = [
        {"a": (2.0, 1.5), "rnnjax, other digits": (0.5, None)},
        {"a": (0.5, 1.0)},
        {picture.ALLOWED: (3.0, 1.0)},
        {},
    ]
    said = "rnnjax takes less time in 1 of 2 comparisons (median ratio 1.2); 2 of 3 goals are met."
    assert picture.answer(rows) == said
