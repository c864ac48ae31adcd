"""Curves over examples of different lengths: the median, a band, and where it crosses a level.

NaN marks what an example does not have (it is shorter, or was not looked at). It is left out of the
ranks, and a curve ends where fewer than half of the measured examples go on: beyond that point it
would be the curve of another set of examples. Infinite values keep their rank.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax.figures.arrays import unmasked

Floats = NDArray[np.float64]

FEWEST_FOR_QUANTILES = 5
"""With fewer examples a band goes from the least to the greatest, as in rnnjax.reductions."""

_FEWEST_POINTS = 5  # of a straight line


@dataclass(frozen=True)
class Band:
    """The median curve of some examples, and what spreads around it.

    Attributes:
        x: lags, steps or window lengths, (n_x,), as far as half of the examples go.
        low: the 10 % quantile, or the least example where fewer than 5 are left, (n_x,).
        median: (n_x,).
        high: the 90 % quantile, or the greatest example, (n_x,).
        n_examples: how many examples have any value.
    """

    x: Floats
    low: Floats
    median: Floats
    high: Floats
    n_examples: int

    @property
    def empty(self) -> bool:
        """Whether nothing was measured."""
        return self.x.size == 0


@dataclass(frozen=True)
class Trend:
    """Slopes of straight lines through the curves of the examples.

    Attributes:
        rate: mean slope over examples, nat per step; NaN if no example has 5 finite points.
        error: standard error of this mean over examples; NaN for one example.
        n_examples: how many examples have a line.
    """

    rate: float
    error: float
    n_examples: int

    @property
    def e_folding(self) -> float:
        """Steps for a factor e, -1 / rate: negative for growth."""
        return -1 / self.rate if self.rate else np.inf

    @property
    def e_folding_error(self) -> float:
        """Standard error of the e-folding time, to first order in that of the rate."""
        return self.error / self.rate**2 if self.rate else np.nan


def band(x: ArrayLike, samples: ArrayLike) -> Band:
    """Compute the band of samples with NaN left out.

    Args:
        x: (n_x,).
        samples: one row an example, (n_examples, n_x).

    Returns:
        The band over those x that at least half of the examples with any value have, up to the
        last such x; NaN in a gap.
    """
    rows = unmasked(samples)
    rows = rows[~np.isnan(rows).all(axis=1)]
    counts = (~np.isnan(rows)).sum(axis=0)
    kept = np.flatnonzero((counts * 2 >= len(rows)) & (counts > 0))
    end = int(kept[-1]) + 1 if kept.size else 0
    ranked = np.sort(rows[:, :end], axis=0)  # NaN last
    counts = np.where(counts * 2 >= len(rows), counts, 0)[:end]
    outer = np.where(counts >= FEWEST_FOR_QUANTILES, 0.1, 0.0)
    low, median, high = (_quantile(ranked, counts, share) for share in (outer, 0.5, 1 - outer))
    return Band(np.asarray(x, dtype=float)[:end], low, median, high, len(rows))


def _quantile(ranked: Floats, counts: NDArray[np.int_], share: Floats | float) -> Floats:
    """Interpolate between ranks column by column; an infinity is not averaged into NaN."""
    if not ranked.size:
        return np.empty(ranked.shape[1])
    position = np.asarray(share) * np.maximum(counts - 1, 0)
    below = np.floor(position).astype(int)
    weight = position - below
    columns = np.arange(ranked.shape[1])
    lower = ranked[below, columns]
    upper = ranked[np.minimum(below + 1, len(ranked) - 1), columns]
    with np.errstate(invalid="ignore"):  # 0 * inf where the upper rank is not used
        mixed = np.where(weight == 0, lower, (1 - weight) * lower + weight * upper)
    return np.where(counts == 0, np.nan, mixed)


def trend(x: ArrayLike, samples: ArrayLike) -> Trend:
    """Fit a least-squares line through the finite points of every example.

    Args:
        x: (n_x,).
        samples: natural logs, one row an example, (n_examples, n_x).
    """
    at = np.asarray(x, dtype=float)
    slopes = [
        _slope(at[finite], row[finite])
        for row in unmasked(samples)
        if (finite := np.isfinite(row)).sum() >= _FEWEST_POINTS
    ]
    n = len(slopes)
    error = float(np.std(slopes, ddof=1)) / n**0.5 if n > 1 else np.nan
    return Trend(float(np.mean(slopes)) if n else np.nan, error, n)


def _slope(x: Floats, y: Floats) -> float:
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def first_fall(curve: Band, nats: float) -> float:
    """Return the first x at which the median has fallen by `nats` from its first value.

    Returns:
        inf if it does not fall that far; NaN if it begins at 0 or infinity, or is undefined before.
    """
    if curve.empty or not np.isfinite(curve.median[0]):
        return np.nan
    undefined = np.isnan(curve.median)
    found = np.flatnonzero(undefined | (curve.median <= curve.median[0] - nats))
    if not found.size:
        return np.inf
    return np.nan if undefined[found[0]] else float(curve.x[found[0]])


def fallen_from(curve: Band, nats: float) -> float:
    """Return the first x from which the median stays `nats` below its first value to its end.

    Returns:
        inf if it ends above; NaN if it begins at 0 or infinity.
    """
    if curve.empty or not np.isfinite(curve.median[0]):
        return np.nan
    above = np.flatnonzero(~(curve.median <= curve.median[0] - nats))
    first = int(above[-1]) + 1 if above.size else 0
    return float(curve.x[first]) if first < len(curve.x) else np.inf


def lasts_from(curve: Band, level: float) -> float:
    """Return the first x from which the median stays at or above `level` to its end.

    Returns:
        inf if it ends below; NaN if nothing was measured.
    """
    if curve.empty:
        return np.nan
    below = np.flatnonzero(~(curve.median >= level))
    first = int(below[-1]) + 1 if below.size else 0
    return float(curve.x[first]) if first < len(curve.x) else np.inf


def sustained_growth(curve: Band) -> float:
    """Return the greatest growth of the median from the first half of the lags up to some lag.

    max over k of m_k - max_{j <= k/2} m_j, for k from a quarter of the lags on. A sum of k terms of
    one size grows by ln 2 at most when k doubles, whatever its first terms are; what grows by a
    constant factor a step does it by half of all its growth.

    Returns:
        Nats; NaN if the median has fewer than 4 finite points.
    """
    finite = np.isfinite(curve.median)
    if finite.sum() < 4:
        return np.nan
    x, m = curve.x[finite], curve.median[finite]
    highest = np.maximum.accumulate(m)
    halves = np.searchsorted(x, x / 2, side="right") - 1
    late = (x >= x[-1] / 4) & (halves >= 0)
    return float(np.max(m[late] - highest[halves[late]], initial=-np.inf))
