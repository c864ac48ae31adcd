"""Where the panels of a figure lie, on the width of a page and on that of one column.

A panel of one column keeps about the size that it has on a page, so its text stays as large and a
row of panels is broken into several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

Rows = list[list[Axes]]
_EACH_OF_FOUR = 4  # panels in a row, from which two lie beside one another in a column


def per_row(n_columns: int) -> int:
    """How many panels of a row lie beside one another on the width of one column.

    Example:
        >>> [per_row(n) for n in (1, 2, 3, 4, 6)]
        [1, 1, 1, 2, 3]
    """
    return n_columns // 2 if n_columns >= _EACH_OF_FOUR else 1


def grid(figure: Figure, n_rows: int, n_columns: int, *, column: bool, **given: Any) -> Rows:
    """A grid of panels; given is what `Figure.subplots` takes."""
    if not column or n_columns == 1:
        panels = figure.subplots(n_rows, n_columns, squeeze=False, **given)
        return [list(row) for row in panels]
    given.pop("width_ratios", None)
    shared = {axis: given.pop(f"share{axis}", False) for axis in "xy"}
    heights = given.pop("height_ratios", (1,) * n_rows)
    rows = _broken(figure, n_columns, heights, **given)
    for axis, how in shared.items():
        _share(rows, axis, how)
    return rows


def rows_of_widths(
    figure: Figure, widths: Sequence[Sequence[float]], *, column: bool, **given: Any
) -> Rows:
    """Rows that are laid out by themselves; given is what `Figure.subfigures` takes."""
    if column:
        heights = given.pop("height_ratios", (1,) * len(widths))
        given["height_ratios"] = [
            height * _lines(len(row)) for height, row in zip(heights, widths, strict=True)
        ]
    parts = figure.subfigures(len(widths), 1, squeeze=False, **given)[:, 0]
    if column:
        return [_broken(part, len(row), (1,))[0] for part, row in zip(parts, widths, strict=True)]
    return [
        list(part.subplots(1, len(row), squeeze=False, width_ratios=row)[0])
        for part, row in zip(parts, widths, strict=True)
    ]


def mosaic(figure: Figure, layout: str, *, column: bool, **given: Any) -> Rows:
    """Panels as rows of letters; given is what `Figure.subplot_mosaic` takes."""
    if column:
        given.pop("width_ratios", None)
        lines, letters = layout.split(";"), sorted(set(layout) - {";"})
        heights = given.pop("height_ratios", (1,) * len(lines))
        given["height_ratios"] = [
            sum(height for line, height in zip(lines, heights, strict=True) if letter in line)
            for letter in letters
        ]
        layout = ";".join(letters)
    panels = figure.subplot_mosaic(layout, **given)
    return [[panels[letter] for letter in sorted(panels)]]


def stretched(
    height: float,
    n_columns: Sequence[int],
    heights: Sequence[float] | None = None,
) -> float:
    """The height of a figure whose rows are broken for one column, in the unit of `height`.

    Args:
        height: that on the width of a page.
        n_columns: panels of each row.
        heights: relative heights of the rows, equal by default.
    """
    shares = heights or (1,) * len(n_columns)
    broken = sum(share * _lines(n) for share, n in zip(shares, n_columns, strict=True))
    return height * broken / sum(shares)


def _lines(n_columns: int) -> int:
    return -(-n_columns // per_row(n_columns))


def _broken(
    figure: Figure | SubFigure, n_columns: int, heights: Sequence[float], **given: Any
) -> Rows:
    """Each row broken into several, with as many panels as fit one column."""
    beside, lines = per_row(n_columns), _lines(n_columns)
    ratios = [height for height in heights for _ in range(lines)]
    panels = figure.subplots(len(ratios), beside, squeeze=False, height_ratios=ratios, **given)
    rows = []
    for first in range(0, len(ratios), lines):
        row = [panel for line in panels[first : first + lines] for panel in line]
        for panel in row[n_columns:]:
            panel.remove()
        rows.append(row[:n_columns])
    return rows


def _share(rows: Rows, axis: str, how: bool | str) -> None:
    """Share an axis as `Figure.subplots` does, along the rows and columns before they broke."""
    if how in (True, "all"):
        groups = [[panel for row in rows for panel in row]]
    elif how == "row":
        groups = rows
    elif how == "col":
        groups = [list(panels) for panels in zip(*rows, strict=True)]
    else:
        return
    for first, *others in groups:
        for panel in others:
            getattr(panel, f"share{axis}")(first)
