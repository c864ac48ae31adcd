"""Numbers of all cells together: the largest one, gaps to what is expected, tables of theory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.lazy import xr
from rnnjax.reductions.floats import check_same_places, in_floats


def cells(values: xr.DataArray, where: xr.DataArray) -> np.ndarray:
    """Selects the values of some cells.

    Args:
        values: any dims.
        where: which cells, over some of these dims.

    Returns:
        The values, (n_cell,).

    Raises:
        ValueError: `where` holds other than True and False, or has other dims or places.
    """
    if where.dtype != bool:
        raise ValueError(f"where: expected True or False, got {where.dtype}")
    others = [str(dim) for dim in where.dims if dim not in values.dims]
    if others:
        known = ", ".join(map(str, values.dims)) or "none"
        raise ValueError(f"where: expected dims of the values ({known}), got {', '.join(others)}")
    check_same_places(where, values, "where")
    chosen: np.ndarray = values.values[where.broadcast_like(values).transpose(*values.dims).values]
    return chosen


def largest(
    values: xr.DataArray, where: xr.DataArray | None = None, *, skip_nan: bool = False
) -> float:
    """Finds the largest of all values.

    Args:
        values: any dims.
        where: the cells that count, over some of these dims; all by default.
        skip_nan: leave NaN out; by default one NaN makes the result NaN, which fails a claim.

    Returns:
        The largest value; NaN where no cell counts.

    Raises:
        ValueError: the values are no real numbers, or `where` does not select among them.
    """
    values = in_floats(values)
    numbers = values.values if where is None else cells(values, where)
    if skip_nan:
        numbers = numbers[~np.isnan(numbers)]
    return float(np.max(numbers)) if numbers.size else np.nan


def smallest(
    values: xr.DataArray, where: xr.DataArray | None = None, *, skip_nan: bool = False
) -> float:
    """Finds the smallest of all values; see `largest`."""
    return -largest(-in_floats(values), where, skip_nan=skip_nan)


def finite_states(cube: xr.Dataset) -> xr.DataArray:
    """Finds the cells whose forward pass stayed finite, which alone have a gradient to speak of."""
    return cube["first_non_finite_step"] == -1


def gap(found: xr.DataArray, expected: xr.DataArray | float) -> xr.DataArray:
    """Computes |found - expected|, which is 0 where both are the same infinity.

    Raises:
        ValueError: one of both is no number, or has places that the other has not.
    """
    found = in_floats(found, "found", or_complex=True)
    expected = in_floats(expected, "expected", or_complex=True)
    if hasattr(found, "indexes") and hasattr(expected, "indexes"):
        check_same_places(expected, found, "expected")
    return abs(found - expected).where(found != expected, 0.0)


def relative_gap(
    found: xr.DataArray, expected: xr.DataArray | float, least: float = 0.0
) -> xr.DataArray:
    """Computes |found - expected| / max(|expected|, least), 0 where both are equal.

    Args:
        found: measured values.
        expected: of the same unit; an exact 0 must be met exactly, unless `least` is positive.
        least: magnitude below which the gap is judged absolutely.
    """
    difference = gap(found, expected)
    size: Any = np.maximum(abs(in_floats(expected, or_complex=True)), least)
    return (difference / size).where(difference != 0, 0.0)


def shares_below(values: xr.DataArray) -> xr.DataArray:
    """Computes the distribution of all values: the share below each, over the dim ``value``.

    Shares are NaN if a value is, which has no rank.
    """
    ordered = np.sort(in_floats(values).values.ravel())
    shares = (np.arange(len(ordered)) + 0.5) / len(ordered)
    shares = np.where(np.isnan(ordered).any(), np.nan, shares)
    return xr.DataArray(shares, coords={"value": ordered}, dims="value")


def tabulate(function: Callable[..., Any], **axes: ArrayLike) -> xr.DataArray:
    """Evaluates a function of numbers at every combination of the values of axes.

    Args:
        function: takes one value of each axis, in their order; returns a number.
        axes: the values by the name of the axis, such as the coordinates of a cube.

    Returns:
        The numbers over these axes, in their order; None becomes NaN.

    Raises:
        ValueError: an axis is no sequence of values, or the function returns no real number.

    Example:
        >>> float(tabulate(lambda g, k: g**k, gain=[1.0, 2.0], lag=[0, 3]).sel(gain=2, lag=3))
        8.0
    """
    coordinates = {axis: np.asarray(values) for axis, values in axes.items()}
    for axis, values in coordinates.items():
        if values.ndim != 1:
            raise ValueError(f"{axis}: expected a sequence of values, got shape {values.shape}")
    numbers = [_number(function(*values)) for values in product(*coordinates.values())]
    shape = [len(values) for values in coordinates.values()]
    table = np.array(numbers, dtype=float).reshape(shape)
    return xr.DataArray(table, coords=coordinates, dims=[*coordinates])


def _number(found: Any) -> float:
    array = np.asarray(np.nan if found is None else found)
    if array.size != 1:
        raise ValueError(f"function: expected one number, got shape {array.shape}")
    return float(in_floats(array, "function").item())
