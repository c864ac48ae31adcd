"""The median and a band over seeds, at each point of a curve.

Quantiles, never means: the mean of a norm over seeds is set by a few rare seeds, while the median
of log10 of the norm is what a typical network does. Quantiles also take an exact 0 (log10 = -inf)
and an overflow (+inf) in their stride, because both still have a rank.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import Floats, unmasked

_FEWEST_SEEDS_FOR_QUANTILES = 5


class SeedBand(NamedTuple):
    """What a set of seeds did at each x: three arrays of shape (n_x,), in the unit of the seeds.

    low: the 10 % quantile, or the least seed where there are fewer than 5.
    median: the 50 % quantile.
    high: the 90 % quantile, or the greatest seed where there are fewer than 5.
    """

    low: Floats
    median: Floats
    high: Floats


def seed_band(samples: ArrayLike) -> SeedBand:
    """Computes the median and the band over seeds, with infinite seeds ranked, none dropped.

    Args:
        samples: one row a seed, (n_seed, n_x); +inf and -inf rank as the greatest and the least.

    Returns:
        The band. Where any seed is NaN, which has no rank, all three are NaN.

    Raises:
        ValueError: there is no seed, or samples is not a matrix.

    Example:
        >>> band = seed_band([[-1.0], [float("-inf")], [-2.0]])
        >>> band.median.tolist(), band.low.tolist()
        ([-2.0], [-inf])
    """
    rows = unmasked(samples)
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"expected samples of shape (n_seed >= 1, n_x), got {rows.shape}")
    outer = 0.1 if len(rows) >= _FEWEST_SEEDS_FOR_QUANTILES else 0.0
    ranked = np.where(np.isnan(rows).any(axis=0), np.nan, np.sort(rows, axis=0))
    return SeedBand(*(_quantile(ranked, share) for share in (outer, 0.5, 1 - outer)))


def _quantile(ranked: Floats, share: float) -> Floats:
    """Interpolates between ranks; np.quantile gives NaN between -inf and a number, not -inf."""
    position = share * (len(ranked) - 1)
    below = int(position)
    weight = position - below
    lower: Floats = ranked[below]
    if weight == 0:  # 0 * inf would be NaN
        return lower
    with np.errstate(invalid="ignore"):  # -inf + inf: no seed says what lies between
        mixed: Floats = (1 - weight) * lower + weight * ranked[below + 1]
    return mixed
