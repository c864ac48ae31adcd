"""How the values of an axis look in every panel of a figure. Loads no matplotlib by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rnnjax import figures
from rnnjax.lazy import matplotlib

# Okabe and Ito's colours, told apart with every kind of colour blindness.
BLUE, VERMILION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, BLACK, GREY = "#56B4E9", "#E69F00", "#000000", "#808080"
THEORY = "#404040"
"""The colour of a theory that is one line for all curves."""
FAILED = "#b02020"
"""The colour of what failed."""


@dataclass(frozen=True)
class Look:
    """The label and the marks of one value of an axis.

    Attributes:
        label: its words in legends and at ticks.
        colour: of its lines and marks.
        marker: of its points, as in matplotlib; none where empty.
        dashes: of its lines, as in matplotlib.
        hollow: whether its marks are outlines.
        size: of its marks, in points; that of the style if not given.

    Example:
        >>> LOOKS = {"rtrl": Look("RTRL", BLACK, "s"), "uoro": Look("UORO", GREEN, "D")}
        >>> LOOKS["uoro"].line()["color"]
        '#009E73'
    """

    label: str
    colour: str
    marker: str = ""
    dashes: Any = "-"
    hollow: bool = False
    size: float | None = None

    def line(self, **more: Any) -> dict[str, Any]:
        """The arguments of a line for matplotlib; `more` takes their place."""
        style: dict[str, Any] = {"color": self.colour, "linestyle": self.dashes}
        style |= {"marker": self.marker} if self.marker else {}
        style |= {"markerfacecolor": "none"} if self.hollow else {}
        style |= {"markersize": self.size} if self.size is not None else {}
        return style | more

    def dots(self, **more: Any) -> dict[str, Any]:
        """The arguments of points without a line; `more` takes their place."""
        return self.line(**{"linestyle": "none", "marker": self.marker or "o", **more})

    def handle(self, **more: Any) -> matplotlib.lines.Line2D:
        """Constructs the legend entry."""
        return matplotlib.lines.Line2D([], [], label=self.label, **self.line(**more))


ACTIVATION_LOOKS = {
    "identity": Look("identity", BLACK, "o"),
    "tanh": Look("tanh", BLUE, "s"),
    "sigmoid": Look("sigmoid", VERMILION, "^"),
    "relu": Look("relu", GREEN, "x"),
}
"""The looks of activations where each is a curve."""


def ordered_looks(values: Iterable[Any], label: str = "{}", **look: Any) -> dict[Any, Look]:
    """Constructs the looks of an ordered parameter, dark blue (least) to light ochre (greatest).

    Args:
        values: of the axis, such as a coordinate.
        label: template of the labels, as in "$g$ = {:.3g}".
        look: what all looks share, such as the marker.

    Returns:
        A look for each value.

    Example:
        >>> ordered_looks([0.5, 1.0], "$g$ = {:g}", marker="o")[1.0].label
        '$g$ = 1'
    """
    plain = [*map(_plain, values)]
    colours = figures.ordered_colours(max(1, len(plain)))
    words = [
        value if isinstance(value, str) else with_minus(label.format(value)) for value in plain
    ]
    return {
        value: Look(word, colour, **look)
        for value, word, colour in zip(plain, words, colours, strict=False)
    }


def distinct_looks(values: Iterable[Any], label: str = "{}", **look: Any) -> dict[Any, Look]:
    """Constructs the looks of up to five values, each with a colour and a marker of its own.

    Args:
        values: of the axis, such as a coordinate.
        label: template of the labels, as in "$k$ = {}".
        look: what all looks share, such as the size.

    Returns:
        A look for each value.

    Example:
        >>> distinct_looks([1, 16], "$k$ = {}")[16].marker
        's'
    """
    colours, markers = (ORANGE, BLUE, GREEN, PINK, VERMILION), "os^Dv"
    marks = zip(map(_plain, values), colours, markers, strict=False)
    return {
        value: Look(label.format(value), colour, marker, **look) for value, colour, marker in marks
    }


def with_minus(number: str) -> str:
    """Writes the sign of a number as text does, not as programs do."""
    return number.replace("-", "\N{MINUS SIGN}")


def handles(
    looks: dict[Any, Look], shown: Any = None, **more: Any
) -> list[matplotlib.lines.Line2D]:
    """Constructs the legend entries of looks.

    Args:
        looks: by value of an axis.
        shown: the values that the figure shows, such as a coordinate; all by default.
        more: arguments of the lines, as in `Look.line`.

    Returns:
        The handles, in the order of the looks.
    """
    values = looks if shown is None else {*map(_plain, shown)}
    return [look.handle(**more) for value, look in looks.items() if value in values]


def _plain(value: Any) -> Any:
    """A coordinate as the Python value that keys a table of looks."""
    return value.item() if hasattr(value, "item") else value
