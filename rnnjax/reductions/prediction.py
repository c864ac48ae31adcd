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
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.reductions.floats import in_floats


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
    values, outcomes = in_floats(np.asarray(score), "score"), np.asarray(succeeded)
    if values.shape != outcomes.shape:
        raise ValueError(f"succeeded: expected the shape {values.shape}, got {outcomes.shape}")
    if outcomes.dtype != bool:
        raise ValueError(f"succeeded: expected True or False, got {outcomes.dtype}")
    return values[outcomes], values[~outcomes]


def _between(low: float, high: float) -> float:
    """Returns a number above `low` and not above `high`."""
    if np.isinf(low) or np.isinf(high):
        return high
    middle = float(np.sqrt(low) * np.sqrt(high)) if low > 0 else low + (high - low) / 2
    return middle if low < middle <= high else high
