"""Integers and truth values as floats, whose differences do not wrap."""

from __future__ import annotations

from typing import Any

import numpy as np


def in_floats(values: Any) -> Any:
    """Converts integers and truth values to float64, and leaves floats as they are.

    Args:
        values: an array of any kind, or a number.

    Returns:
        Values of the same kind, dims and coordinates.
    """
    if np.result_type(values).kind not in "iub":
        return values
    return values.astype(float) if hasattr(values, "astype") else float(values)
