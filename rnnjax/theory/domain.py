"""Where a closed form holds: beyond it the formula still returns a number, which means nothing."""

import math
from typing import Any

import numpy as np

from rnnjax.errors import shown


def check_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> None:
    """Refuse what is no finite real number within the bounds; of an array each entry.

    Raises:
      ValueError: one line with the name, the bounds and what came.
    """
    numbers = np.asarray(value)
    if numbers.dtype.kind in "iuf":
        inside = np.isfinite(numbers) & (numbers > above) & (numbers >= at_least)
        if np.all(inside & (numbers < below) & (numbers <= at_most)):
            return
    words = {"above": above, "of at least": at_least, "below": below, "of at most": at_most}
    bounds = [f"{word} {bound:g}" for word, bound in words.items() if math.isfinite(bound)]
    expected = f"a number {' and '.join(bounds)}" if bounds else "a finite number"
    raise ValueError(f"{name}: expected {expected}, got {shown(value)}")
