"""How well a number predicts an outcome: area under the curve, and the best threshold.

With the scores of runs that succeed, s, and of those that fail, f,

  area      = P(s < f) + P(s = f) / 2                                            (1)
  balanced  = (P(s < c) + P(f >= c)) / 2,   the threshold c where it is largest   (2)

Both are 1 where one threshold separates them, and 1/2 where the score says nothing. Hanley and
McNeil, The meaning and use of the area under a receiver operating characteristic (ROC) curve,
Radiology, 1982, for equation (1).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.reductions.floats import check_same_places, in_floats


class Threshold(NamedTuple):
    """Where a score is cut.

    Attributes:
        at: c of equation (2); halfway between two scores, by their logarithms if both are positive.
        balanced: the mean of the shares of successes below it and of failures above it.
    """

    at: float
    balanced: float


def area_under_curve(score: ArrayLike, succeeded: ArrayLike) -> float:
    """Computes how often a success has a lower score than a failure, equation (1).

    Args:
        score: a number a run, such as delay over time scale; may be infinite.
        succeeded: whether the run succeeded, of the same shape.

    Returns:
        0 to 1; NaN without a success, without a failure, or with a NaN among the scores.
    """
    s, f = _apart(score, succeeded)
    if not s.size or not f.size or np.isnan(s).any() or np.isnan(f).any():
        return float("nan")
    below = np.searchsorted(np.sort(s), f, "left") + np.searchsorted(np.sort(s), f, "right")
    return float(below.mean() / (2 * s.size))


def best_threshold(score: ArrayLike, succeeded: ArrayLike) -> Threshold:
    """Finds the threshold below which success is most likely, equation (2).

    Args:
        score: a number a run; may be infinite.
        succeeded: whether the run succeeded, of the same shape.

    Returns:
        NaN twice without a success, without a failure, or with a NaN among the scores.
    """
    s, f = _apart(score, succeeded)
    if not s.size or not f.size or np.isnan(s).any() or np.isnan(f).any():
        return Threshold(float("nan"), float("nan"))
    levels = np.unique(np.concatenate([s, f]))
    between = [_between(a, b) for a, b in pairwise(levels)]
    cuts = np.array([levels[0], *between, np.inf])
    balanced = [((s < c).mean() + (f >= c).mean()) / 2 for c in cuts]
    best = int(np.argmax(balanced))
    return Threshold(float(cuts[best]), float(balanced[best]))


def _apart(score: ArrayLike, succeeded: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    succeeded = _in_order_of(score, succeeded)
    values, outcomes = in_floats(np.asarray(score), "score"), np.asarray(succeeded)
    if values.shape != outcomes.shape:
        raise ValueError(f"succeeded: expected the shape {values.shape}, got {outcomes.shape}")
    if outcomes.dtype != bool:
        raise ValueError(f"succeeded: expected True or False, got {outcomes.dtype}")
    return values[outcomes], values[~outcomes]


def _in_order_of(score: ArrayLike, succeeded: ArrayLike) -> Any:
    """Return the outcomes in the order of the scores: of arrays with dims, by name and place."""
    values: Any = score
    outcomes: Any = succeeded
    if not (hasattr(values, "dims") and hasattr(outcomes, "dims")):
        return outcomes
    if set(values.dims) != set(outcomes.dims):
        expected, found = (", ".join(map(str, a.dims)) or "none" for a in (values, outcomes))
        raise ValueError(f"succeeded: expected the dims of the score ({expected}), got {found}")
    check_same_places(outcomes, values, "succeeded")
    shared = [dim for dim in values.dims if dim in values.indexes and dim in outcomes.indexes]
    moved = [dim for dim in shared if not values.indexes[dim].equals(outcomes.indexes[dim])]
    return outcomes.sel({dim: values.indexes[dim] for dim in moved}).transpose(*values.dims)


def _between(low: float, high: float) -> float:
    """Returns a number above `low` and not above `high`."""
    if np.isinf(low) or np.isinf(high):
        return high
    middle = float(np.sqrt(low) * np.sqrt(high)) if low > 0 else low + (high - low) / 2
    return middle if low < middle <= high else high
