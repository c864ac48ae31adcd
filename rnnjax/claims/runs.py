"""Claims on the runs of a cube: on the worst one, which is a claim on every run, or the median."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.claims.rows import Row, Text
from rnnjax.reductions import cells

if TYPE_CHECKING:
    import xarray as xr

Expected = float | Callable[[Any], float]


def every_run(
    name: Text,
    values: str | Callable[[xr.Dataset], xr.DataArray],
    *,
    equals: Expected | None = None,
    at_most: Expected | None = None,
    at_least: Expected | None = None,
    where: Callable[[xr.Dataset], xr.DataArray] | None = None,
    **more: Any,
) -> Row:
    """Constructs a row on every value of a variable: the worst one must be as expected.

    Args:
        name: what is claimed, as in `Row`.
        values: the variable, or a function of the selected part of the cube that returns an array.
        equals: what all values should be; the claim is on the one farthest from it.
        at_most: the claim is on the largest value.
        at_least: the claim is on the least value.
        where: a function of the selected part that returns which values count, over some of their
            dims; all by default. Where none counts, there is no claim.
        more: the other attributes of a `Row`. Expected numbers are numbers or functions of the
            selected part of the cube.

    Returns:
        The row.

    Raises:
        ValueError: none or several of `equals`, `at_most` and `at_least` are given.

    Example:
        >>> import xarray as xr
        >>> from rnnjax.claims import evaluate
        >>> cube = xr.Dataset({"w_n": ("seed", [-0.5, -0.4])})
        >>> evaluate([every_run("weight", "w_n", equals=-0.5)], cube)[0].measured
        -0.4
    """
    chosen = _chosen(values, where)

    def worst(cube: xr.Dataset) -> float | None:
        runs = chosen(cube)
        if where is not None and not runs.size:
            return None
        if equals is not None:
            expected = float(equals(cube) if callable(equals) else equals)
            with np.errstate(invalid="ignore"):  # inf - inf
                distances = np.where(runs == expected, 0.0, np.abs(runs - expected))
            return float(runs[np.argmax(distances)])  # NaN is farther than every number
        return float(np.max(runs) if at_most is not None else np.min(runs))

    return Row(name, worst, equals=equals, at_most=at_most, at_least=at_least, **more)


def median_run(
    name: Text,
    values: str | Callable[[xr.Dataset], xr.DataArray],
    *,
    where: Callable[[xr.Dataset], xr.DataArray] | None = None,
    **more: Any,
) -> Row:
    """Constructs a row on the median of all values of a variable.

    Args:
        name: what is claimed, as in `Row`.
        values: the variable, or a function of the selected part of the cube that returns an array.
        where: a function of the selected part that returns which values count, as in `every_run`.
        more: the other attributes of a `Row`.

    Returns:
        The row; one NaN among the values that count makes its number NaN, which fails.

    Example:
        >>> import xarray as xr
        >>> from rnnjax.claims import evaluate
        >>> cube = xr.Dataset({"error": ("seed", [0.1, 0.2, 7.0])})
        >>> evaluate([median_run("error, median", "error", at_most=0.5)], cube)[0].measured
        0.2
    """
    chosen = _chosen(values, where)

    def middle(cube: xr.Dataset) -> float | None:
        runs = chosen(cube)
        return float(np.median(runs)) if runs.size else None

    return Row(name, middle, **more)


def _chosen(
    values: str | Callable[[xr.Dataset], xr.DataArray],
    where: Callable[[xr.Dataset], xr.DataArray] | None,
) -> Callable[[xr.Dataset], np.ndarray]:
    """Return the function of a cube that returns the values that count, (n_run,)."""

    def chosen(cube: xr.Dataset) -> np.ndarray:
        found = cube[values] if isinstance(values, str) else values(cube)
        counted = found if where is None else cells(found, where(cube))
        return np.ravel(np.asarray(counted, dtype=float))

    return chosen
