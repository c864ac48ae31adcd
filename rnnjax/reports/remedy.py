"""A change to a network or its training, with the effect that it was measured to have."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Remedy:
    """One change and one number before and after it, measured on the same examples.

    Attributes:
        layer: the layer that was changed; "" for the whole program.
        name: what the number is, as in "horizon".
        action: what was changed, as in "forget bias + 2".
        number_before: the number without the change.
        number_after: the number with it.
        unit: of both.
        statement: the sentence to print.

    Raises:
        ValueError: a number is not a real number; infinite ones are allowed.
    """

    layer: str
    name: str
    action: str
    number_before: float
    number_after: float
    unit: str
    statement: str

    def __post_init__(self) -> None:
        # Array scalars come in from datasets; plain floats print and compare as numbers.
        for field in ("number_before", "number_after"):
            value = float(getattr(self, field))
            if math.isnan(value):
                raise ValueError(f"{field}: expected a number that was measured, got nan")
            object.__setattr__(self, field, value)
