"""The house style of the figures: one style sheet, the page widths, and panel letters.

Figures are made with `matplotlib.figure.Figure`, never through pyplot: there is no window, no
global list of figures, and the Agg and PDF renderers are chosen when the figure is saved.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from string import ascii_lowercase
from typing import Literal

import matplotlib.style
from matplotlib.axes import Axes

COLUMN_WIDTH = 3.5
"""Width in inches of a figure that fills one column of a two-column page."""

PAGE_WIDTH = 7.2
"""Width in inches of a figure that fills the page."""

Width = Literal["page", "column"]
WIDTHS: tuple[Width, ...] = ("page", "column")

_width: ContextVar[Width] = ContextVar("width", default="page")
_STYLE_SHEET = Path(__file__).with_name("style.mplstyle")


@contextmanager
def styled(width: Width = "page") -> Iterator[None]:
    """Applies the house style inside a `with` block, on top of matplotlib's own defaults.

    Args:
        width: "column" for figures that fill one column of a two-column page (see `Frame`).

    The user's matplotlibrc is set aside in the block, so that a figure looks the same, byte for
    byte, on every machine. The settings from before come back at the end of the block.

    Example:
        >>> from matplotlib.figure import Figure
        >>> with styled():
        ...     ax = Figure().subplots()
        >>> bool(ax.spines["top"].get_visible())
        False
    """
    token = _width.set(width)
    try:
        with matplotlib.style.context(_STYLE_SHEET, after_reset=True):
            yield
    finally:
        _width.reset(token)


def in_column() -> bool:
    """Whether figures that are made now are to fill one column."""
    return _width.get() == "column"


def letter_panels(axes: Iterable[Axes]) -> None:
    """Writes a bold a, b, c, ... at the upper left of each panel.

    Args:
        axes: the panels in reading order, at most 26.

    Raises:
        ValueError: there are more panels than letters.
    """
    panels = list(axes)
    if len(panels) > len(ascii_lowercase):
        raise ValueError(f"expected at most 26 panels to letter, got {len(panels)}")
    for ax, letter in zip(panels, ascii_lowercase, strict=False):
        ax.set_title(letter, loc="left", fontweight="bold")
