"""Status codes: what each cell of a cube holds, or why it holds nothing.

A gradient measurement can be missing, infinite or undefined for several reasons, and a NaN alone
does not say which. Every variable `v` of a cube therefore has a companion `v_status` of int8 codes,
described by the CF attributes flag_values and flag_meanings.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal

import numpy as np

from rnnjax.lazy import xr
from rnnjax.variables import flag_words

SUFFIX = "_status"


class Status(IntEnum):
    """What one cell holds."""

    MISSING = 0  # not computed yet
    OK = 1
    OVERFLOW = 2  # +inf: larger than the arithmetic holds
    NAN = 3
    UNDERFLOW = 4  # -inf, a logarithm of zero: smaller than the arithmetic holds
    FAILED = 5  # the computation of the whole group raised an error
    BEYOND = 6  # infinite because the answer lies outside the window that was measured


def status_name(variable: str) -> str:
    """The name of the companion that holds the status of `variable`."""
    return variable + SUFFIX


def status_of(
    values: np.ndarray, infinite: Literal["overflow", "beyond"] = "overflow"
) -> np.ndarray:
    """The status of each measured value.

    Args:
        values: measured values, real, integer or bool, any shape.
        infinite: what an infinite value means. "overflow": +inf is OVERFLOW and -inf UNDERFLOW;
            "beyond": either one is BEYOND.

    Returns:
        int8 codes, the shape of `values`; integers and bools are always OK.

    Raises:
        ValueError: `infinite` is neither word, or `values` are not real numbers.
    """
    values = np.asarray(values)
    if infinite not in ("overflow", "beyond"):
        raise ValueError(f"expected infinite='overflow' or 'beyond', got {infinite!r}")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"expected real, integer or bool values, got dtype {values.dtype}")
    status = np.full(values.shape, Status.OK, np.int8)
    if values.dtype.kind == "f":
        beyond = infinite == "beyond"
        status[np.isposinf(values)] = Status.BEYOND if beyond else Status.OVERFLOW
        status[np.isneginf(values)] = Status.BEYOND if beyond else Status.UNDERFLOW
        status[np.isnan(values)] = Status.NAN
    return status


def flag_attributes() -> dict[str, Any]:
    """The CF attributes of a status variable: flag_values (int8) and flag_meanings (words)."""
    return {
        "flag_values": np.array(list(Status), np.int8),
        "flag_meanings": " ".join(code.name.lower() for code in Status),
    }


def meanings_in(dataset: xr.Dataset) -> dict[str, dict[int, str]]:
    """The words of the codes of every status variable, by its name, as the file tells them."""
    found = {str(name): flag_words(codes.attrs) for name, codes in dataset.data_vars.items()}
    return {name: words for name, words in found.items() if words}


def fill_value(dtype: np.dtype) -> Any:
    """What a cell without a value holds: NaN, -1, the largest unsigned integer, or False.

    Args:
        dtype: a real, integer or bool dtype.

    Returns:
        A number for that dtype. It only fills the array: the status says that there is no value.
    """
    if dtype.kind == "f":
        return np.nan
    if dtype.kind == "u":
        return np.iinfo(dtype).max
    return False if dtype.kind == "b" else -1


def check_companions(dataset: xr.Dataset) -> None:
    """Raises ValueError unless every variable is a plain number and has an int8 status like it."""
    for name, variable in dataset.data_vars.items():
        if variable.dtype.kind not in "fiub":
            raise ValueError(f"expected {name} to be real, integer or bool, got {variable.dtype}")
        if not str(name).endswith(SUFFIX):
            status = dataset.data_vars.get(status_name(str(name)))
            if status is None or status.dtype != np.int8 or status.dims != variable.dims:
                raise ValueError(f"expected an int8 {name}{SUFFIX} with dims {variable.dims}")
