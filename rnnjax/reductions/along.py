"""Numbers along one dim: rates, crossings, the best place, some places."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rnnjax.reductions.floats import in_floats

if TYPE_CHECKING:
    import xarray as xr

    Data = TypeVar("Data", xr.Dataset, xr.DataArray)


def rise(values: xr.DataArray, over: str) -> xr.DataArray:
    """Computes the mean change for each unit of a dim, from its first place to each later one.

    Args:
        values: any dims that include `over`, which needs a coordinate.
        over: the dim, such as the lag.

    Returns:
        (v_k - v_0) / (x_k - x_0), without the first place.
    """
    values, x = in_floats(values), in_floats(values[over])
    first, later = {over: 0}, {over: slice(1, None)}
    return (values.isel(later) - values.isel(first)) / (x.isel(later) - x.isel(first))


def slope(values: xr.DataArray, over: str, start: int = 0) -> xr.DataArray:
    """Computes the mean change for each unit of a dim, from the place `start` to the last one."""
    values, x = in_floats(values), in_floats(values[over].values)
    first, last = values.isel({over: start}, drop=True), values.isel({over: -1}, drop=True)
    return (last - first) / (x[-1] - x[start])


def crossing(values: xr.DataArray, over: str, level: float = 0.0) -> float:
    """Finds where a curve first rises through a level, by linear interpolation.

    Args:
        values: one curve, over the dim `over` alone, with a rising coordinate.
        over: the dim, such as the gain.
        level: the level.

    Returns:
        The coordinate of the crossing; NaN where the curve does not rise through the level.

    Example:
        >>> import xarray as xr
        >>> crossing(xr.DataArray([-1.0, 3.0], coords={"gain": [1.0, 2.0]}, dims="gain"), "gain")
        1.25
    """
    y, x = in_floats(values.values) - level, values[over].values
    above = np.flatnonzero((y[1:] > 0) & (y[:-1] <= 0))
    if not len(above):
        return np.nan
    i = int(above[0])
    return float(np.interp(0.0, y[i : i + 2], x[i : i + 2]))


def at_best(data: Data, score: xr.DataArray, over: str = "rate") -> Data:
    """Selects the place with the least score along a dim, for each place on its other dims.

    Args:
        data: runs, over `over` and any other dims.
        score: less is better, over `over` and some of these dims; NaN counts as +inf.
        over: the dim to choose on, such as the learning rate.

    Returns:
        The data without the dim `over`, whose coordinate tells what was chosen.
    """
    return data.isel({over: score.fillna(np.inf).argmin(over)})


def evenly(data: Data, over: str, n: int) -> Data:
    """Selects up to n places of a dim, evenly spaced from the first to the last one."""
    places = np.linspace(0, data.sizes[over] - 1, n).round().astype(int)
    return data.isel({over: np.unique(places)})
