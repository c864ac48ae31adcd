"""The frame of a figure: its panels, their letters, and one legend outside of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnjax.figures import emptiness, grids
from rnnjax.figures.heat_maps import NOT_FINITE
from rnnjax.figures.style import COLUMN_WIDTH, PAGE_WIDTH, in_column, letter_panels


class Frame:
    """A figure with a grid of panels.

    In `styled("column")` it is as wide as one column, and rows of panels are broken to fit.

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
        self._column = column = in_column() and width > COLUMN_WIDTH
        self.figure = figure = Figure(figsize=(width, height))
        if layout is not None:
            self.rows = grids.mosaic(figure, layout, column=column, **grid)
            in_rows = [len(set(line)) for line in layout.split(";")]
        elif widths is not None:
            self.rows = grids.rows_of_widths(figure, widths, column=column, **grid)
            in_rows = [len(row) for row in widths]
        else:
            self.rows = grids.grid(figure, n_rows, n_columns, column=column, **grid)
            in_rows = [n_columns] * n_rows
        if column:
            heights = grid.get("height_ratios")
            figure.set_size_inches(COLUMN_WIDTH, grids.stretched(height, in_rows, heights))
        self.panels: list[Axes] = [panel for row in self.rows for panel in row]
        self._keep(n)
        # The panels of a layout are no row, whose first label would stand for the others.
        self._broken = [] if layout is not None else self.rows

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
        """Letters several panels, hides those that are empty, adds the legend, returns the figure.

        A panel whose data have no finite number says so.

        Args:
            legend: legend entries; of several with one label the first is shown, and that of
                `not_finite_handle` only where a panel has hatched cells.
            loc: where the legend stands.
            ncols: its columns.
            more: what `Figure.legend` takes.

        Returns:
            The figure.
        """
        letter_panels(self.panels if len(self.panels) > 1 else ())
        for panel in self.panels:
            if not panel.has_data() and not panel.texts:
                panel.set_visible(False)  # the cube has nothing for it; others keep their letters
        emptiness.tell(self.panels)
        if self._column:
            ncols = max(1, ncols // 2)
            self._label_where_rows_broke(self._broken)
        entries: dict[str, Artist] = {}
        for entry in legend:
            entries.setdefault(str(entry.get_label()), entry)
        if not any(artist.get_gid() == NOT_FINITE for artist in self._collections()):
            entries.pop(NOT_FINITE, None)
        if entries:
            self.figure.legend(handles=[*entries.values()], loc=loc, ncols=ncols, **more)
        return self.figure

    def _collections(self) -> Iterator[Artist]:
        return (artist for panel in self.panels for artist in panel.collections)

    @staticmethod
    def _label_where_rows_broke(rows: Iterable[Sequence[Axes]]) -> None:
        """Repeat the vertical label at the left of each part of a row that was broken.

        Kinds label the first panel alone, which stands for its row.
        """
        for row in rows:
            beside = grids.per_row(len(row))
            label = row[0].get_ylabel() if row else ""
            for panel in row[beside::beside]:
                if not panel.get_ylabel() and panel.yaxis.get_visible():
                    panel.set_ylabel(label)
