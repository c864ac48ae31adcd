"""Numbers along one dim: rates, crossings, the best place, some places."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rnnjax.errors import shown
from rnnjax.reductions.floats import check_dims, check_same_places, coordinate, in_floats

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

    Raises:
        ValueError: values or coordinate are no real numbers, or there is no such dim.
    """
    values, x = in_floats(values), coordinate(values, over)
    first, later = {over: 0}, {over: slice(1, None)}
    return (values.isel(later) - values.isel(first)) / (x.isel(later) - x.isel(first))


def slope(values: xr.DataArray, over: str, start: int = 0) -> xr.DataArray:
    """Computes the mean change for each unit of a dim, from the place `start` to the last one.

    It is NaN if `start` is the last one.

    Raises:
        ValueError: as of `rise`, or `start` is no place of the dim.
    """
    values, x = in_floats(values), coordinate(values, over).values
    if not isinstance(start, int | np.integer) or not -len(x) <= start < len(x):
        raise ValueError(f"start: expected one of {len(x)} places, got {shown(start)}")
    first, last = values.isel({over: start}, drop=True), values.isel({over: -1}, drop=True)
    return (last - first) / (x[-1] - x[start])


def crossing(values: xr.DataArray, over: str, level: float = 0.0) -> float:
    """Finds where a curve first rises through a level, by linear interpolation.

    Args:
        values: one curve, over the dim `over` alone; it is followed from the least coordinate on.
        over: the dim, such as the gain.
        level: the level.

    Returns:
        The coordinate of the crossing; NaN where the curve does not rise through the level, or
        first does so between places with a NaN in between.

    Raises:
        ValueError: values or coordinate are no real numbers, there are other dims, or the level is
            not finite.

    Example:
        >>> import xarray as xr
        >>> crossing(xr.DataArray([-1.0, 3.0], coords={"gain": [1.0, 2.0]}, dims="gain"), "gain")
        1.25
    """
    x = coordinate(values, over).values
    if values.ndim != 1:
        raise ValueError(f"values: expected one curve over {over}, got shape {values.shape}")
    if not isinstance(level, int | float | np.number) or not np.isfinite(level):
        raise ValueError(f"level: expected a finite number, got {shown(level)}")
    order = np.argsort(x, kind="stable")
    y, x = in_floats(values.values)[order] - level, x[order]
    places = np.flatnonzero(~np.isnan(y))
    above = np.flatnonzero((y[places[1:]] > 0) & (y[places[:-1]] <= 0))
    if not len(above):
        return np.nan
    i, following = (int(places[above[0] + k]) for k in (0, 1))
    if following > i + 1:
        return np.nan
    return float(np.interp(0.0, y[i : i + 2], x[i : i + 2]))


def is_largest(values: xr.DataArray, over: str) -> xr.DataArray:
    """Marks the place with the largest value along a dim, the first one of several.

    Args:
        values: any dims that include `over`.
        over: the dim, such as the step.

    Returns:
        1 at this place and 0 at the others, over the dims of the values; NaN at all places of a
        row with a NaN, whose largest value is not known.

    Raises:
        ValueError: the values are no real numbers, or there is no such dim or no place.

    Example:
        >>> import xarray as xr
        >>> is_largest(xr.DataArray([0.2, 0.5, 0.3], dims="step"), "step").values.tolist()
        [0.0, 1.0, 0.0]
    """
    check_dims(values, [over], least=1)
    values = in_floats(values)
    rows = np.moveaxis(values.values, values.get_axis_num(over), -1)
    marks = np.arange(rows.shape[-1]) == rows.argmax(-1)[..., None]
    marks = np.where(np.isnan(rows).any(-1, keepdims=True), np.nan, marks)
    return values.copy(data=np.moveaxis(marks, -1, values.get_axis_num(over)))


def at_best(data: Data, score: xr.DataArray, over: str = "rate") -> Data:
    """Selects the place with the least score along a dim, for each place on its other dims.

    Args:
        data: runs, over `over` and any other dims.
        score: less is better, over `over` and some of these dims; NaN counts as +inf.
        over: the dim to choose on, such as the learning rate.

    Returns:
        The data without the dim `over`, whose coordinate tells what was chosen.

    Raises:
        ValueError: the score is no real number, or has other places than the data.
    """
    check_dims(data, [over])
    check_dims(score, [over], least=1)
    check_same_places(score, data, "score")
    # Places count from here on: where labels are the same, in the order of the data.
    shared = [dim for dim in score.dims if dim in data.indexes and dim in score.indexes]
    score = in_floats(score, "score").sel({dim: data.indexes[dim] for dim in shared})
    return data.isel({over: score.fillna(np.inf).argmin(over)})


def evenly(data: Data, over: str, n: int) -> Data:
    """Selects up to n places of a dim, evenly spaced from the first to the last one.

    Raises:
        ValueError: n is no count, or there is no place.
    """
    check_dims(data, [over], least=1)
    if not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"n: expected a whole number of at least 0, got {shown(n)}")
    places = np.linspace(0, data.sizes[over] - 1, n).round().astype(int)
    return data.isel({over: np.unique(places)})
