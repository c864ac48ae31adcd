"""What reductions take: real numbers as floats, dims that are there, places that agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from rnnjax.errors import shown


def in_floats(values: Any, name: str = "values", *, or_complex: bool = False) -> Any:
    """Converts integers and truth values, whose differences wrap, to float64; keeps floats.

    Args:
        values: an array of any kind, or a number.
        name: of the argument, for the error.
        or_complex: keep complex numbers too.

    Returns:
        Values of the same kind, dims and coordinates.

    Raises:
        ValueError: the values are no real numbers, such as complex ones and dates.
    """
    dtype = values.dtype if hasattr(values, "dtype") else np.asarray(values).dtype
    if dtype.kind == "f" or (or_complex and dtype.kind == "c"):
        return values
    if dtype.kind not in "iubO" and dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected real numbers, got {dtype}")
    try:
        return values.astype(float) if hasattr(values, "astype") else float(values)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected real numbers, got {dtype}") from None


def coordinate(values: Any, over: str) -> Any:
    """Returns the coordinate of a dim as floats; the places are numbered where there is none."""
    check_dims(values, [over])
    return in_floats(values[over], f"coordinate {over}")


def check_dims(values: Any, over: Iterable[str], least: int = 0) -> None:
    """Checks that values have the dims to reduce, with at least so many places along each.

    Raises:
        ValueError: a dim is missing or too short.
    """
    for dim in over:
        if dim not in values.dims:
            known = ", ".join(map(str, values.dims)) or "none"
            raise ValueError(f"over: expected a dim of the values ({known}), got {shown(dim)}")
        if values.sizes[dim] < least:
            found = values.sizes[dim]
            raise ValueError(f"values: expected at least {least} along {dim}, got {found}")


def check_same_places(given: Any, values: Any, name: str) -> None:
    """Checks that arrays have the same places along shared dims, whose order may differ.

    Arithmetic of xarray would leave out places that one of them does not have.

    Raises:
        ValueError: they have others.
    """
    for dim in [dim for dim in values.dims if dim in given.dims]:
        own, other = values.indexes.get(dim), given.indexes.get(dim)
        if own is None or other is None:
            continue
        if len(own) != len(other) or not own.isin(other).all():
            message = f"expected the places of the values along {dim}, got others"
            raise ValueError(f"{name}: {message}")
