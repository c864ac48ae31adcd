"""Single lines: a median with its band, a theory; a line ends where its numbers end."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

from rnnjax.figures.arrays import Flags, Floats, true_runs

# Dashed, dotted, dash-dotted: the first theory, the second, ... in units of the line width.
THEORY_DASHES: tuple[Any, ...] = (
    (0, (3.2, 1.8)),
    (0, (1.0, 1.4)),
    (0, (4, 1.4, 1, 1.4)),
)
_THEORY_WIDTH = 0.9


def draw_median(ax: Axes, x: Floats, median: Floats, **line: Any) -> Line2D:
    """Draws a line that stops where it is not finite, with a dot on the last point that is.

    Args:
        ax: the panel.
        x: the places, (n_x,).
        median: the line, (n_x,).
        line: arguments of the line; with a marker at every point it needs no dots.

    Returns:
        The line, without the dots.
    """
    seen = _finite_or_nan(median)
    if not np.isfinite(median).any():  # matplotlib cannot spread markers along an empty path
        line.pop("markevery", None)
    (drawn,) = ax.plot(x, seen, **line)
    stops = _stops(np.isfinite(median))
    marker = line.get("marker")
    if stops and (not marker or "markevery" in line):
        own: dict[str, Any] = {"color": drawn.get_color(), "zorder": drawn.get_zorder()}
        own |= {"linestyle": "none", "markersize": line.get("markersize")}
        ax.plot(x[stops], seen[stops], marker=marker or ".", **own)
    return drawn


def draw_theory(
    ax: Axes, x: Floats, values: Floats, colour: str, number: int, label: str = ""
) -> None:
    """Draws a theory line, dashed by its number; it breaks where it is not finite."""
    ax.plot(
        x,
        _finite_or_nan(values),
        color=colour,
        linestyle=THEORY_DASHES[number],
        linewidth=_THEORY_WIDTH,
        zorder=3,
        label=label or "_theory",  # an underscore keeps it out of legends
    )


def theory_handle(label: str, colour: str, number: int) -> Line2D:
    """Constructs the legend entry of a theory."""
    dashes = THEORY_DASHES[number]
    return Line2D([], [], color=colour, linestyle=dashes, linewidth=_THEORY_WIDTH, label=label)


def draw_band(
    ax: Axes, x: Floats, band: tuple[Floats, ...], colour: str, alpha: float = 0.2
) -> None:
    """Draws a band; one whose edge is infinite runs off the panel on that side.

    Args:
        ax: the panel; its limits show the finite part of the band.
        x: the places, (n_x,).
        band: low edge, median and high edge, (n_x,) each; none is drawn where there is no median.
        colour: of the line.
        alpha: the opacity.
    """
    edges = np.stack([band[0], band[2]])
    drawn = np.isfinite(band[1])
    seen = np.isfinite(edges) & drawn
    if not seen.any():
        return
    reach = 10 * (np.ptp(edges[seen]) + 1)
    # Infinite edges become points far outside the panel: left infinite they would not be drawn.
    low, high = np.clip(edges, edges[seen].min() - reach, edges[seen].max() + reach)
    polygons = [
        np.column_stack(
            (
                np.concatenate((x[first:end], x[first:end][::-1])),
                np.concatenate((low[first:end], high[first:end][::-1])),
            )
        )
        for first, end in true_runs(drawn)
    ]
    ax.add_collection(
        PolyCollection(polygons, facecolor=colour, alpha=alpha, linewidth=0, zorder=1.5),
        autolim=False,
    )
    for edge, shown in zip(edges, seen, strict=True):
        ax.update_datalim(np.column_stack((x[shown], edge[shown])))
    ax.autoscale_view()


def _stops(finite: Flags) -> list[int]:
    """Finds the points to mark: beside a gap, or alone, where a line would show nothing."""
    marked: set[int] = set()
    for first, end in true_runs(finite):
        marked |= {first} if first > 0 or end - first == 1 else set()
        marked |= {end - 1} if end < len(finite) else set()
    return sorted(marked)


def _finite_or_nan(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
