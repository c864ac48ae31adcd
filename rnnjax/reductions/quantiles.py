"""Quantiles over seeds, in which infinities have a rank.

Quantiles, never means: the mean of a norm over seeds is set by a few rare seeds, while the median
of its logarithm is what a typical network does. Quantiles also rank an exact 0 (logarithm -inf) and
an overflow (+inf), where a mean would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnjax.errors import shown
from rnnjax.reductions.floats import check_dims, in_floats

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
_FEWEST_FOR_QUANTILES = 5
_ROUNDING = 4 * np.finfo(float).eps


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
        ValueError: there is no seed, or samples is not a matrix of real numbers.

    Example:
        >>> band = seed_band([[-1.0], [float("-inf")], [-2.0]])
        >>> band.median.tolist(), band.low.tolist()
        ([-2.0], [-inf])
    """
    given = in_floats(np.ma.asarray(samples), "samples")
    rows: Floats = given.astype(np.float64).filled(np.nan)
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"expected samples of shape (n_seed >= 1, n_x), got {rows.shape}")
    outer = 0.1 if len(rows) >= _FEWEST_FOR_QUANTILES else 0.0
    return SeedBand(*_quantiles(rows, (outer, 0.5, 1 - outer)))


def _quantiles(rows: Floats, shares: Sequence[float]) -> list[Floats]:
    ranked = np.where(np.isnan(rows).any(axis=0), np.nan, np.sort(rows, axis=0))
    return [_quantile(ranked, share) for share in shares]


def _quantile(ranked: Floats, share: float) -> Floats:
    """Interpolates between ranks; np.quantile gives NaN between -inf and a number, not -inf."""
    position = share * (len(ranked) - 1)
    # A rank that rounding has moved would mix in an infinite neighbour.
    if abs(position - round(position)) < _ROUNDING * len(ranked):
        position = round(position)
    below = int(position)
    weight = position - below
    lower: Floats = ranked[below]
    if weight == 0:  # 0 * inf would be NaN
        return lower
    with np.errstate(invalid="ignore"):  # -inf + inf: no seed says what lies between
        mixed: Floats = (1 - weight) * lower + weight * ranked[below + 1]
    return mixed


def quantile(
    values: xr.DataArray, share: float, over: str | Sequence[str] = "seed"
) -> xr.DataArray:
    """Computes a quantile in which infinities are ranked.

    Args:
        values: any dims that include those of `over`.
        share: of the samples that lie below, 0 to 1.
        over: the dims of the samples, one name or several.

    Returns:
        An array over the other dims; NaN where any sample is NaN, which has no rank.

    Raises:
        ValueError: the share is no number from 0 to 1, the values are no real numbers, or there is
            no sample.
    """
    if not isinstance(share, int | float | np.number) or not 0 <= share <= 1:
        raise ValueError(f"share: expected a number from 0 to 1, got {shown(share)}")
    dims = [over] if isinstance(over, str) else [*over]
    check_dims(values, dims, least=1)
    moved = in_floats(values).transpose(*dims, ...)
    samples = np.asarray(moved.values, dtype=float)
    flat = samples.reshape(-1, *samples.shape[len(dims) :])
    one = moved.isel(dict.fromkeys(dims, 0), drop=True)
    return one.copy(data=_quantiles(flat, (share,))[0])


def median(values: xr.DataArray, over: str | Sequence[str] = "seed") -> xr.DataArray:
    """Computes the median in which infinities are ranked; see `quantile`.

    Example:
        >>> import xarray as xr
        >>> float(median(xr.DataArray([-1.0, float("-inf"), -2.0], dims="seed")))
        -2.0
    """
    return quantile(values, 0.5, over)


def band(values: xr.DataArray, over: str = "seed") -> tuple[xr.DataArray, ...]:
    """Computes low edge, median and high edge over seeds, as `seed_band` does.

    Args:
        values: any dims that include `over`.
        over: the dim of the seeds.

    Returns:
        (low, median, high), each over the other dims.
    """
    check_dims(values, [over])
    outer = 0.1 if values.sizes[over] >= _FEWEST_FOR_QUANTILES else 0.0
    return tuple(quantile(values, share, over) for share in (outer, 0.5, 1 - outer))


def in_standard_errors(values: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """Computes the mean over seeds in units of its standard error; NaN where a seed is."""
    check_dims(values, [over], least=1)
    values = in_floats(values)
    values = values.where(values.notnull().all(over))  # all seeds count in the error, or none
    with np.errstate(invalid="ignore"):  # an infinite seed has no distance from the mean
        error = values.std(over, ddof=1) / values.sizes[over] ** 0.5
        return values.mean(over) / error
