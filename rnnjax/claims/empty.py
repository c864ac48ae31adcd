"""Variables without any number, of which comparisons and shares make numbers all the same.

The share of NaN below a threshold is 0: a claim that such a share is 0 would pass without a
measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rnnjax.claims.scope import Values, called

if TYPE_CHECKING:
    import xarray as xr

_STATUS = "_status"
_WITHOUT_VALUE = {"missing", "failed", "nan"}


def reads_nothing(value: Callable[..., Any], cube: xr.Dataset, values: Values) -> bool:
    """Finds out whether a function reads a variable that holds no number.

    Args:
        value: the function of a row; reads a variable if it fails where there is none.
        cube: the selected part of the cube.
        values: the fixed values.
    """
    return any(
        _fails(value, cube.drop_vars([name]), values)
        for name, variable in cube.data_vars.items()
        if not str(name).endswith(_STATUS) and not _has_numbers(cube, variable)
    )


def _has_numbers(cube: xr.Dataset, variable: xr.DataArray) -> bool:
    """Whether any cell holds a number: an infinity is one, what fills a failed cell is none."""
    there = variable.notnull()
    status = cube.data_vars.get(f"{variable.name}{_STATUS}")
    if status is not None and "flag_meanings" in status.attrs:
        codes = zip(status.attrs["flag_values"], status.attrs["flag_meanings"].split(), strict=True)
        empty = [code for code, word in codes if word in _WITHOUT_VALUE]
        there = there & ~status.isin(empty)
    return bool(there.any())


def _fails(value: Callable[..., Any], cube: xr.Dataset, values: Values) -> bool:
    try:
        called(value, cube, values)
    except Exception:
        return True
    return False
