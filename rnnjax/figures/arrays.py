"""Array types of the figures, and two questions that every panel asks of its data."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def unmasked(values: ArrayLike) -> Floats:
    """Converts numbers to a float array in which a masked entry is NaN.

    Args:
        values: numbers of any shape, a masked array or not.

    Returns:
        The numbers, in the same shape; plain `np.asarray` would show what the mask hides.
    """
    filled: Floats = np.ma.asarray(values, dtype=np.float64).filled(np.nan)
    return filled


def true_runs(flags: Flags) -> list[tuple[int, int]]:
    """Finds the runs of neighbouring true flags.

    Args:
        flags: booleans, (n,).

    Returns:
        (first, end) of each run, in order; `flags[first:end]` is all true.

    Example:
        >>> true_runs(np.array([True, True, False, True]))
        [(0, 2), (3, 4)]
    """
    padded = np.concatenate(([False], flags, [False]))
    changes = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return list(zip(changes[::2], changes[1::2], strict=True))
