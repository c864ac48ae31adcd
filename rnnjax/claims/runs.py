"""Claims on every run of a cube: the number of such a claim is that of the worst run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.claims.rows import Row, Text

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
    **more: Any,
) -> Row:
    """Constructs a row on every value of a variable: the worst one must be as expected.

    Args:
        name: what is claimed, as in `Row`.
        values: the variable, or a function of the selected part of the cube that returns an array.
        equals: what all values should be; the claim is on the one farthest from it.
        at_most: the claim is on the largest value.
        at_least: the claim is on the least value.
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

    def worst(cube: xr.Dataset) -> float:
        found = cube[values] if isinstance(values, str) else values(cube)
        runs = np.ravel(np.asarray(found, dtype=float))
        if equals is not None:
            expected = float(equals(cube) if callable(equals) else equals)
            with np.errstate(invalid="ignore"):  # inf - inf
                distances = np.where(runs == expected, 0.0, np.abs(runs - expected))
            return float(runs[np.argmax(distances)])  # NaN is farther than every number
        return float(np.max(runs) if at_most is not None else np.min(runs))

    return Row(name, worst, equals=equals, at_most=at_most, at_least=at_least, **more)
