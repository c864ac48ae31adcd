"""In how many examples something happened, and where: first lags and first steps.

A first lag or step of -1 says that it never happened in this example.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Occurrence:
    """In how many examples something happened, and at which lag.

    Attributes:
        lag: the lag by which it has happened in half of all examples; inf if there is none.
        first: the least lag of any example; inf if there is none.
        n: examples in which it happened.
        n_examples: examples looked at.
    """

    lag: float
    first: float
    n: int
    n_examples: int


@dataclass(frozen=True)
class NonFinite:
    """Where numbers first stopped being finite.

    Attributes:
        step: forward the least step of any example, backward the greatest.
        at: operation and source line there, "" if not known.
        n: examples in which it happened.
        n_forward: examples of these in which the forward pass was not finite.
        n_examples: examples looked at.
    """

    step: int
    at: str
    n: int
    n_forward: int
    n_examples: int


def occurrence(lags: Floats) -> Occurrence:
    """Reduce the first lags of some examples, (n_examples,)."""
    if not len(lags):
        return Occurrence(math.inf, math.inf, 0, 0)
    happened = lags >= 0
    ranked = np.sort(np.where(happened, lags, np.inf))
    # The lower of two middle ranks: the lag by which half of the examples have it.
    middle = float(ranked[(len(ranked) - 1) // 2])
    return Occurrence(middle, float(ranked[0]), int(happened.sum()), len(lags))


def non_finite(
    steps: Floats, forward: Floats, places: NDArray[np.str_], backward: bool
) -> NonFinite | None:
    """Reduce the steps at which examples stop being finite.

    Args:
        steps: forward or backward, (n_examples,).
        forward: those of the forward pass, (n_examples,) or empty.
        places: operation and line of each example, (n_examples,) or empty.
        backward: whether time runs backward, so that the greatest step comes first.

    Returns:
        None if every example is finite.
    """
    found = np.flatnonzero(steps >= 0)
    if not found.size:
        return None
    chosen = found[np.argmax(steps[found] if backward else -steps[found])]
    at = str(places[chosen]) if len(places) == len(steps) else ""
    n_forward = int((forward[found] >= 0).sum()) if len(forward) == len(steps) else 0
    return NonFinite(int(steps[chosen]), at, found.size, n_forward, len(steps))
