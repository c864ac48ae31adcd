"""Tasks of the examples of the slides, one a file."""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.decks.tasks import (
        childrens_book,
        data_pairs,
        dinner,
        dinner_calendar,
        grid_steps,
        pulse_memory,
        two_points,
    )
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "childrens_book",
    "data_pairs",
    "dinner",
    "dinner_calendar",
    "grid_steps",
    "pulse_memory",
    "two_points",
]
