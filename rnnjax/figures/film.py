"""A film strip: one curve at several times, a frame for each, with a spectrum behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from rnnjax.figures.looks import Look
from rnnjax.figures.marks import level
from rnnjax.figures.panels import dress, expect_dims

_GREY, _PALE = "#808080", "#c8c8c8"
_MARGIN = 0.3  # of the vertical limits, in units of the values


def film_strip(
    panels: Sequence[Axes],
    values: xr.DataArray,
    *,
    over: str,
    frames: str,
    look: Look,
    behind: xr.DataArray | None = None,
    **axes: Any,
) -> None:
    """Draws a curve at each time in a panel of its own, all panels with the same limits.

    Args:
        panels: one for each value of `frames`.
        values: over `over` and `frames`.
        over: the dim of the horizontal axis.
        frames: the dim of the times, whose values are written into the panels.
        look: of the curve; its label stands before that of the vertical axis.
        behind: numbers over `frames` and one other dim, such as a spectrum: grey bars from the
            least of them, on a horizontal axis of their own above.
        axes: what `Axes.set` takes; `xlabel` and `ylabel` are those of the strip.

    Raises:
        ValueError: dims and arguments do not match.
    """
    expect_dims(values, (over, frames), "a film strip")
    times = values[frames].values.tolist()
    if len(panels) != len(times):
        raise ValueError(f"expected {len(times)} panels, one for each frame, got {len(panels)}")
    limits = float(values.min()) - _MARGIN, float(values.max()) + _MARGIN
    for number, (ax, time) in enumerate(zip(panels, times, strict=True)):
        if behind is not None:
            _draw_behind(ax, behind, behind.sel({frames: time}).values, limits)
        ax.plot(values[over], values.sel({frames: time}), **look.line(linewidth=1.6))
        level(ax, y=0, color="black", dashes=":")
        message = f"{time}" if number else f"{frames} {time}"
        ax.text(0.96, 0.94, message, transform=ax.transAxes, fontsize=7, ha="right", va="top")
        ax.tick_params(labelsize=6, pad=1, length=2, labelleft=number == 0)
        dress(ax, {"ylim": limits, "xlim": values[over].values[[0, -1]]})
    panels[0].set_ylabel(f"{look.label}: {axes.pop('ylabel', '')}", fontsize=7)
    panels[len(panels) // 2].set(**axes)


def _draw_behind(
    ax: Axes, behind: xr.DataArray, bars: np.ndarray, limits: tuple[float, float]
) -> None:
    """Draws bars from the least number of all frames, the first one at the top."""
    above, least = ax.twiny(), float(behind.min())
    places = np.linspace(limits[1], limits[0], len(bars))
    above.hlines(places, least, bars, color=_PALE, linewidth=1.2, zorder=0)
    above.set_xlim(least, max(0.5, float(behind.max())))
    above.tick_params(labelsize=6, colors=_GREY, pad=1, length=2)
    ax.set_zorder(above.get_zorder() + 1)
    ax.patch.set_visible(False)
