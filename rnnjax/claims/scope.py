"""Where a row of a table of claims applies: at which values of which axes, for which cubes.

What was not swept is left out and not an error: a row on tanh makes no claim about a cube without
it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

Values = Mapping[str, Any]
"""Values by name, which select on the axes of these names and fill the templates of a row."""

Condition = Callable[..., bool]
Cases = str | Mapping[str, Iterable[Any]] | Sequence[Values] | Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a row or a group of rows applies: for each case, a part of the cube, under conditions.

    Attributes:
        for_each: one claim for each case: the name of an axis; a mapping from names to values (each
            combination is a case); a sequence of mappings (each one is a case); or a function of
            the cube that returns one of these. Names that are axes select, and a case that was not
            swept is left out; other names only fill templates and arguments. Without any case
            there is no claim; the default is one case without names.
        part: a function of the cube that returns the part that is meant, such as the runs at the
            best rate; without any cell in it there is no claim.
        at: selections by axis: a value (the axis is dropped), a list or tuple of values (those that
            were swept are kept), or a function of the coordinate that returns which places to
            keep. Without any of them there is no claim.
        when: a condition on what is left of the cube, or a tuple of conditions that must all hold.
    """

    for_each: Cases = ({},)
    part: Callable[..., xr.Dataset] | None = None
    at: Mapping[str, Any] = field(default_factory=dict)
    when: Condition | tuple[Condition, ...] = ()


def swept(**axes: Any) -> Condition:
    """Constructs the condition that values were swept.

    Args:
        axes: by axis, one value or a tuple of values that must all be there.

    Returns:
        A function of a cube, for `when`.

    Example:
        >>> import xarray as xr
        >>> cube = xr.Dataset(coords={"rule": ["bptt", "rtrl"]})
        >>> swept(rule="rtrl")(cube), swept(rule=("rtrl", "uoro"))(cube)
        (True, False)
    """

    def holds(cube: xr.Dataset) -> bool:
        return all(np.isin(values, cube[axis].values).all() for axis, values in axes.items())

    return holds


def set_to(**values: Any) -> Condition:
    """Constructs the condition that the setting of the cube has some values.

    Args:
        values: by field.

    Returns:
        A function of a cube, for `when`.

    Example:
        >>> import xarray as xr
        >>> from rnnjax.cube_setting import register
        >>> register()
        >>> cube = xr.Dataset(attrs={"config": '{"n_h": 64, "grid": [0.0, 1.0, 5]}'})
        >>> set_to(n_h=64, grid=(0.0, 1.0, 5))(cube), set_to(n_h=32)(cube)
        (True, False)
    """

    def holds(cube: xr.Dataset) -> bool:
        setting: Any = cube.setting
        return all(np.array_equal(getattr(setting, name), v) for name, v in values.items())

    return holds


def narrowed(
    scope: Scope, cube: xr.Dataset, values: Values
) -> Iterator[tuple[xr.Dataset, dict[str, Any]]]:
    """Finds the parts of a cube to which a scope applies.

    Args:
        scope: of a row or a group.
        cube: what the enclosing groups have left of the cube.
        values: what the enclosing groups have fixed.

    Yields:
        A part of the cube, and the values that are fixed in it.

    Raises:
        ValueError: `at` names something that is no axis of the cube.
    """
    for case in _cases(scope.for_each, cube, values):
        fixed = {**values, **case}
        one = _selected(cube, {name: v for name, v in case.items() if name in cube.dims})
        if one is not None and scope.part is not None:
            one = called(scope.part, one, fixed)
        if one is not None:
            one = _selected(one, scope.at)
        fixed |= {name: v for name, v in scope.at.items() if not _keeps_axis(v)}
        if one is None or 0 in one.sizes.values():
            continue
        if all(called(condition, one, fixed) for condition in _conditions(scope.when)):
            yield one, fixed


def called(function: Callable[..., Any], cube: xr.Dataset, values: Values) -> Any:
    """Calls a function of a row with the cube, and with the fixed values that it names."""
    names = [*inspect.signature(function).parameters][1:]
    return function(cube, **{name: values[name] for name in names if name in values})


def _cases(cases: Cases, cube: xr.Dataset, fixed: Values) -> Sequence[Values]:
    if callable(cases):
        cases = called(cases, cube, fixed)
    if isinstance(cases, str):
        cases = {cases: cube[cases].values}
    if isinstance(cases, Mapping):
        combinations = product(*(map(_plain, values) for values in cases.values()))
        return [dict(zip(cases, combination, strict=True)) for combination in combinations]
    return cases  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    """A coordinate as a Python value, which formats as users write it."""
    return value.item() if isinstance(value, np.generic) else value


def _conditions(when: Condition | tuple[Condition, ...]) -> tuple[Condition, ...]:
    return when if isinstance(when, tuple) else (when,)


def _keeps_axis(wanted: Any) -> bool:
    return callable(wanted) or isinstance(wanted, list | tuple)


def _selected(cube: xr.Dataset, at: Mapping[str, Any]) -> xr.Dataset | None:
    """The part of a cube at values of its axes; None where it has none of them."""
    for axis, wanted in at.items():
        if axis not in cube.dims:
            known = ", ".join(map(str, cube.dims))
            raise ValueError(f"expected an axis of the cube ({known}), got {axis!r}")
        places = _places(cube[axis], wanted)
        if not len(places):
            return None
        cube = cube.isel({axis: places if _keeps_axis(wanted) else places[0]})
    return cube


def _places(coordinate: xr.DataArray, wanted: Any) -> np.ndarray:
    if callable(wanted):
        return np.flatnonzero(wanted(coordinate))
    # asarray of a number and a text would be text: each is compared for itself.
    choices = wanted if isinstance(wanted, list | tuple) else [wanted]
    return np.flatnonzero(np.any([coordinate.values == one for one in choices], axis=0))
