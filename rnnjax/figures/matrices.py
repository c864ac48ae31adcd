"""Matrices over two named axes, each entry a coloured square, with or without its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from rnnjax.figures.heat_maps import hatch_background
from rnnjax.figures.panels import dress, expect_dims


def matrix(
    panel: Axes,
    values: xr.DataArray,
    *,
    rows: str,
    columns: str,
    limits: tuple[float, float] = (-1.0, 1.0),
    colours: str = "PuOr",
    row_words: Mapping[Any, str] | None = None,
    column_words: Mapping[Any, str] | None = None,
    number: Callable[[float], str] | None = None,
    **axes: Any,
) -> AxesImage:
    """Draws a matrix whose entries are squares, the first row at the top; NaN is hatched.

    Args:
        panel: the panel.
        values: over `rows` and `columns`.
        rows: the dim of the rows.
        columns: the dim of the columns.
        limits: the values of the first and the last colour; beyond them these are used.
        colours: a colour map of matplotlib: "PuOr" or "RdBu_r" about 0, "viridis" from 0.
        row_words: words of the values of `rows`; the values themselves by default. An empty mapping
            leaves the ticks out.
        column_words: words of the values of `columns`.
        number: writes an entry into its square; nothing by default.
        axes: what `Axes.set` takes, such as title and xlabel.

    Returns:
        The image, for `figure.colorbar`.

    Raises:
        ValueError: dims and arguments do not match.
    """
    expect_dims(values, (rows, columns), "a matrix")
    entries = np.asarray(values.transpose(rows, columns).values, dtype=float)
    hatch_background(panel)
    low, high = limits
    shown = np.ma.masked_invalid(np.clip(entries, low, high))
    image = panel.imshow(shown, cmap=colours, vmin=low, vmax=high, aspect="auto")
    if number is not None:
        _write_numbers(panel, entries, limits, number)
    _name(panel.set_yticks, values[rows], row_words)
    _name(panel.set_xticks, values[columns], column_words)
    panel.tick_params(length=0)
    dress(panel, axes)
    return image


def _write_numbers(
    ax: Axes, entries: np.ndarray, limits: tuple[float, float], number: Callable[[float], str]
) -> None:
    middle, reach = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    for (row, column), value in np.ndenumerate(entries):
        colour = "#ffffff" if abs(value - middle) > 0.6 * reach else "#000000"
        text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6.5, "color": colour}
        ax.text(column, row, number(float(value)), **text)


def _name(
    set_ticks: Callable[..., Any], axis: xr.DataArray, words: Mapping[Any, str] | None
) -> None:
    if words is not None and not words:
        set_ticks([])
        return
    names = [str(value) if words is None else words[value] for value in axis.values.tolist()]
    set_ticks(range(len(names)), names)
