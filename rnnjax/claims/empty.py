"""Variables without any number, of which comparisons and shares make numbers all the same.

The share of NaN below a threshold is 0: a claim that such a share is 0 would pass without a
measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.claims.claim import Claim
from rnnjax.claims.scope import Values, called
from rnnjax.variables import flag_words

if TYPE_CHECKING:
    import xarray as xr

_STATUS = "_status"
_WITHOUT_VALUE = {"missing", "failed", "nan"}
_FILLS = (-np.inf, -1, 0, 1, np.inf)


def reads_nothing(value: Callable[..., Any], cube: xr.Dataset, values: Values) -> bool:
    """Finds out whether a function reads a variable that holds no number.

    Args:
        value: the function of a row; reads a variable if it fails where there is none.
        cube: the selected part of the cube.
        values: the fixed values.
    """
    return any(_fails(value, cube.drop_vars([name]), values) for name in _without_numbers(cube))


def resting_on_nothing(
    function: Callable[[xr.Dataset], Iterable[Claim]], cube: xr.Dataset
) -> set[str]:
    """Finds which claims of a function of the cube rest on variables that hold no number.

    One function may make many claims. Those that rest on a variable are told by their numbers,
    which change with what the variable is filled with.

    Args:
        function: returns claims; reads a variable if it fails where there is none.
        cube: its argument.

    Returns:
        The names of the claims.
    """
    found: set[str] = set()
    for name in _without_numbers(cube):
        if not _fails(lambda cube: [*function(cube)], cube.drop_vars([name]), {}):
            continue
        filled = [_numbers(function, cube.assign({name: one})) for one in _fills(cube[name])]
        known = [numbers for numbers in filled if numbers is not None]
        now = _numbers(function, cube) or {}
        found |= {
            claim
            for claim, numbers in now.items()
            if not known or any(other.get(claim, numbers) != numbers for other in known)
        }
    return found


def _numbers(
    function: Callable[[xr.Dataset], Iterable[Claim]], cube: xr.Dataset
) -> dict[str, str] | None:
    """The numbers of all claims by name, as text, where NaN is equal to NaN; None if it fails."""
    try:
        return {c.name: repr((c.measured, c.expected, c.tolerance)) for c in function(cube)}
    except Exception:
        return None


def _fills(variable: xr.DataArray) -> Iterator[xr.DataArray]:
    """A variable of other numbers; what its dtype does not hold is left out."""
    for fill in _FILLS:
        data = np.full(variable.shape, fill)
        if np.can_cast(data.dtype, variable.dtype, "same_kind"):
            yield variable.copy(data=data.astype(variable.dtype))


def _without_numbers(cube: xr.Dataset) -> list[Any]:
    """The names of the variables that hold no number."""
    return [
        name
        for name, variable in cube.data_vars.items()
        if not str(name).endswith(_STATUS) and not _has_numbers(cube, variable)
    ]


def _has_numbers(cube: xr.Dataset, variable: xr.DataArray) -> bool:
    """Whether any cell holds a number: an infinity is one, what fills a failed cell is none."""
    there = variable.notnull()
    status = cube.data_vars.get(f"{variable.name}{_STATUS}")
    if status is not None:
        words = flag_words(status.attrs)
        empty = [code for code, word in words.items() if word in _WITHOUT_VALUE]
        there = there & ~status.isin(empty)
    return bool(there.any())


def _fails(value: Callable[..., Any], cube: xr.Dataset, values: Values) -> bool:
    try:
        called(value, cube, values)
    except Exception:
        return True
    return False
