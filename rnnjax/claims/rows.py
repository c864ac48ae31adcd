"""Claims as the rows of a table: what is measured, what it should be, and where that applies.

An experiment declares ``CLAIMS``, a tuple of rows; `evaluate` makes claims of them for a cube:

    CLAIMS = (
        Row(
            "{activation}: mean exponent",
            lambda one: one["exponent"].mean(),
            unit="nat/step",
            at_most=0.0,
            tolerance=1e-6,
            source="exact: every slope is at most 1",
            for_each="activation",
        ),
    )
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.claims.claim import Claim, Relation
from rnnjax.claims.empty import reads_nothing, resting_on_nothing
from rnnjax.claims.scope import Scope, Values, called, narrowed
from rnnjax.cube_setting import register
from rnnjax.errors import shown

if TYPE_CHECKING:
    import xarray as xr

Text = str | Callable[..., str]
Quantity = float | str | Callable[..., Any]
Entry = "Row | Group | Callable[[xr.Dataset], Iterable[Claim]]"

_RELATIONS: dict[str, Relation] = {
    "equals": "equal",
    "at_most": "at_most",
    "at_least": "at_least",
}
_INHERITED = ("source", "tolerance", "reproduces")


class ClaimError(ValueError):
    """A row that cannot be evaluated on a cube; the message names the row and the reason."""


@dataclass(frozen=True)
class Row(Scope):
    """One row of a table of claims.

    Texts are templates: ``{name}`` is a value that `at` or `for_each` fixes, ``{cube}``
    the selected part of the cube, as in ``{cube.setting.n_h}`` or ``{cube.sizes[seed]}``; a brace
    is written twice. A quantity is a number, a function, or the name of a fixed value. Functions
    take the selected part of the cube and, as further arguments, the fixed values that they name.

    Attributes:
        name: what is claimed; a template, or a function.
        value: the function that measures one number; None where there is nothing to measure, which
            leaves the row out.
        equals, at_most, at_least: the expected quantity; exactly one of the three.
        tolerance: the quantity by which the number may deviate; 0 by default.
        unit: appended to the name behind a comma.
        source: an exact identity, or author, year, title, place; a template, or a function.
        reproduces: the published figure that this number reproduces, listed in
            docs/development/papers.md; a template, or a function.
        for_each, part, at, when: see `Scope`.

    Raises:
        ValueError: none or several of `equals`, `at_most` and `at_least` are given.
    """

    name: Text
    value: Callable[..., Any]
    _: KW_ONLY
    equals: Quantity | None = None
    at_most: Quantity | None = None
    at_least: Quantity | None = None
    tolerance: Quantity | None = None
    unit: str = ""
    source: Text | None = None
    reproduces: Text | None = None

    def __post_init__(self) -> None:
        given = [key for key in _RELATIONS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"row {self.name!r}: expected one of equals, at_most and at_least, "
                f"got {' and '.join(given) or 'none'}"
            )


@dataclass(frozen=True)
class Group(Scope):
    """Rows that share where they apply, a source, a tolerance or what they reproduce.

    With `for_each`, all rows of a case precede those of the next case.

    Attributes:
        rows: rows, groups, or functions of the cube that return claims.
        tolerance, source, reproduces: of the rows that do not state their own.
        for_each, part, at, when: see `Scope`; they precede those of the rows.
    """

    rows: Sequence[Any]
    _: KW_ONLY
    tolerance: Quantity | None = None
    source: Text | None = None
    reproduces: Text | None = None


def evaluate(rows: Iterable[Any], cube: xr.Dataset) -> list[Claim]:
    """Evaluates a table of claims on a cube.

    Args:
        rows: values of `Row` and `Group`, and functions of the cube that return claims, in any
            mixture.
        cube: the cube of an experiment.

    Returns:
        The claims that apply to the cube, in the order of the rows. The measured number of a row
        that reads a variable without any number is NaN, which no claim passes; so is that of a
        claim of a function whose number changes with what such a variable is filled with.

    Raises:
        ClaimError: a row cannot be evaluated, or two claims have one name.
    """
    register()
    found = [claim for entry in rows for claim in _claims(entry, cube, {})]
    for claim, following in pairwise(sorted(found, key=lambda claim: claim.name)):
        if claim.name == following.name:
            raise ClaimError(f"expected claims with names that differ, got {claim.name!r} twice")
    return found


def _claims(entry: Any, cube: xr.Dataset, values: Values) -> Iterator[Claim]:
    if isinstance(entry, Row):
        yield from _of_row(entry, cube, values)
    elif isinstance(entry, Group):
        for one, fixed in narrowed(entry, cube, values):
            for inner in entry.rows:
                yield from _claims(_inheriting(inner, entry), one, fixed)
    elif callable(entry):
        yield from _of_function(entry, cube)
    else:
        raise ClaimError(f"expected a Row, a Group or a function of the cube, got {entry!r}")


def _inheriting(entry: Any, group: Group) -> Any:
    """An entry of a group with what it does not state itself."""
    if not isinstance(entry, Row | Group):
        return entry
    missing = [name for name in _INHERITED if getattr(entry, name) is None]
    return replace(entry, **{name: getattr(group, name) for name in missing})


def _of_function(function: Callable[..., Any], cube: xr.Dataset) -> list[Claim]:
    claims = [*function(cube)]
    for claim in claims:
        if not isinstance(claim, Claim):
            name = getattr(function, "__name__", "a function")
            raise ClaimError(f"{name}: expected values of rnnjax.Claim, got {shown(claim)}")
    empty = resting_on_nothing(function, cube) if any(c.passed for c in claims) else set()
    return [
        replace(claim, measured=np.nan) if claim.passed and claim.name in empty else claim
        for claim in claims
    ]


def _of_row(row: Row, cube: xr.Dataset, values: Values) -> Iterator[Claim]:
    name: Any = row.name
    try:
        for one, fixed in narrowed(row, cube, values):
            name = _named(row, one, fixed)
            measured = called(row.value, one, fixed)
            if measured is not None:
                claim = _claim(row, name, measured, one, fixed)
                empty = claim.passed and any(
                    reads_nothing(function, one, fixed) for function in _functions(row)
                )
                yield replace(claim, measured=np.nan) if empty else claim
    except ClaimError:
        raise
    except Exception as error:
        message = f"claim {name!r}: {type(error).__name__}: {error}"
        # With the frames of the row's own function, so that its line can be shown.
        raise ClaimError(message).with_traceback(error.__traceback__) from error


def _functions(row: Row) -> list[Callable[..., Any]]:
    """The functions behind the three numbers of a row."""
    numbers = (row.value, row.equals, row.at_most, row.at_least, row.tolerance)
    return [number for number in numbers if callable(number)]


def _claim(row: Row, name: str, measured: Any, cube: xr.Dataset, values: Values) -> Claim:
    key, relation = next(
        (key, relation) for key, relation in _RELATIONS.items() if getattr(row, key) is not None
    )
    return Claim(
        name,
        _number(measured, "a value"),
        _quantity(getattr(row, key), key, cube, values),
        _quantity(row.tolerance or 0.0, "tolerance", cube, values),
        _text(row.source or "", cube, values),
        relation,
        _text(row.reproduces or "", cube, values),
    )


def _named(row: Row, cube: xr.Dataset, values: Values) -> str:
    name = _text(row.name, cube, values)
    return f"{name}, {row.unit}" if row.unit else name


def _text(text: Text, cube: xr.Dataset, values: Values) -> str:
    if callable(text):
        return str(called(text, cube, values))
    return text.format(**{"cube": cube, **values})


def _quantity(quantity: Quantity, what: str, cube: xr.Dataset, values: Values) -> float:
    if isinstance(quantity, str):
        return _number(values[quantity], what)
    return _number(called(quantity, cube, values) if callable(quantity) else quantity, what)


def _number(value: Any, what: str) -> float:
    array = np.asarray(np.nan if np.ma.is_masked(value) else value)
    if array.size != 1:
        dims = f" over {', '.join(map(str, value.dims))}" if hasattr(value, "dims") else ""
        raise ValueError(f"expected {what} to be one number, got shape {array.shape}{dims}")
    if array.dtype.kind in "mMcSU":
        raise ValueError(f"expected {what} to be a real number, got {shown(array.item())}")
    return float(array.item())
