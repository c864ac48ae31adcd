"""Which vectors of a carry hold the entries of the same units.

An LSTM's carry (c, h) has two entries per unit. The carry of two stacked layers also has two
vectors, which may be of the same size, but unit u of one layer is unrelated to unit u of the other.
The difference lies in the step: entries of the same unit act on each other element by element,

  dh'_u / dc_v = 0 for u != v,  and not for u = v                                (1)

while layers interact through weight matrices. The vectors are therefore grouped by the pattern of
the Jacobian, not by their sizes.
"""

from typing import NamedTuple

import numpy as np


class Layout(NamedTuple):
    """How the vectors of a carry are arranged in the flat state.

    Attributes:
      order: the indices of the vectors in the order of the state: the first entries of all units,
        then the second ones.
      entries_per_unit: m; None if some units have more entries than others.
    """

    order: tuple[int, ...]
    entries_per_unit: int | None


def layout(pattern: np.ndarray, shapes: list[tuple[int, ...]]) -> Layout:
    """Return the layout of a carry.

    Args:
      pattern: which entries of the old carry each entry of the new one depends on, boolean
        (n_h, n_h), with the arrays of the carry concatenated.
      shapes: the shapes of these arrays.
    """
    groups = _groups(pattern, shapes)
    sizes = {len(group) for group in groups}
    if len(sizes) > 1:
        return Layout(tuple(range(len(shapes))), None)
    (m,) = sizes or {1}
    return Layout(tuple(group[entry] for entry in range(m) for group in groups), m)


def _groups(pattern: np.ndarray, shapes: list[tuple[int, ...]]) -> list[list[int]]:
    """Return the indices of the arrays that hold entries of the same units, by equation (1)."""
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    own = list(range(len(shapes)))
    for a in range(len(shapes)):
        for b in range(len(shapes)):
            block = pattern[ends[a] : ends[a + 1], ends[b] : ends[b + 1]]
            if a != b and _is_diagonal(block, shapes[a], shapes[b]):
                first, other = sorted((own[a], own[b]))
                own = [first if group == other else group for group in own]
    return [[i for i, group in enumerate(own) if group == g] for g in sorted(set(own))]


def _is_diagonal(block: np.ndarray, one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    if one != other or len(one) != 1:
        return False
    return bool(np.any(block)) and not np.any(block & ~np.eye(len(block), dtype=bool))
