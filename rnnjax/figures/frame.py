"""The frame of a figure: its panels, their letters, and one legend outside of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnjax.figures.style import PAGE_WIDTH, letter_panels


class Frame:
    """A figure with a grid of panels.

    Args:
        n_rows: rows of panels.
        n_columns: columns of panels.
        height: in inches.
        width: in inches, that of a page by default.
        n: the number of panels, where the last row is not full.
        layout: in place of rows and columns, the panels as rows of letters: "ab;cc" has two
            panels above a wide one.
        widths: in place of rows and columns, the relative widths of the panels of each row; every
            row is laid out by itself.
        grid: what `Figure.subplots` takes, such as sharey, width_ratios and height_ratios.

    Attributes:
        figure: the figure.
        panels: all panels in reading order.
        rows: the panels row by row; with a `layout` there is one row of all.

    Example:
        >>> frame = Frame(2, 2, height=4.6, n=3)
        >>> a, b, c = frame.panels
        >>> figure = frame.finished()
        >>> c.get_title(loc="left")
        'c'
    """

    def __init__(
        self,
        n_rows: int = 1,
        n_columns: int = 1,
        *,
        height: float,
        width: float = PAGE_WIDTH,
        n: int | None = None,
        layout: str | None = None,
        widths: Sequence[Sequence[float]] | None = None,
        **grid: Any,
    ) -> None:
        self.figure = Figure(figsize=(width, height))
        if layout is not None:
            mosaic = self.figure.subplot_mosaic(layout, **grid)
            self.rows: list[list[Axes]] = [[mosaic[letter] for letter in sorted(mosaic)]]
        elif widths is not None:
            parts = self.figure.subfigures(len(widths), 1, squeeze=False, **grid)[:, 0]
            self.rows = [
                list(part.subplots(1, len(row), squeeze=False, width_ratios=row)[0])
                for part, row in zip(parts, widths, strict=True)
            ]
        else:
            panels = self.figure.subplots(n_rows, n_columns, squeeze=False, **grid)
            self.rows = [list(row) for row in panels]
        self.panels: list[Axes] = [panel for row in self.rows for panel in row]
        self._keep(n)

    def _keep(self, n: int | None) -> None:
        for panel in self.panels[n:] if n is not None else []:
            panel.remove()
        self.panels = self.panels[:n]
        self.rows = [[panel for panel in row if panel in self.panels] for row in self.rows]

    def finished(
        self,
        legend: Iterable[Artist] = (),
        *,
        loc: Any = "outside lower center",
        ncols: int = 4,
        **more: Any,
    ) -> Figure:
        """Letters the panels, adds the legend, and returns the figure.

        Args:
            legend: legend entries; of several with one label the first is shown.
            loc: where the legend stands.
            ncols: its columns.
            more: what `Figure.legend` takes.

        Returns:
            The figure.
        """
        letter_panels(self.panels)
        entries: dict[str, Artist] = {}
        for entry in legend:
            entries.setdefault(str(entry.get_label()), entry)
        if entries:
            self.figure.legend(handles=[*entries.values()], loc=loc, ncols=ncols, **more)
        return self.figure
