"""Lines on top of a heat map: a boundary, a theory, contours. Legible on white and on colour."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import unmasked
from rnnjax.figures.looks import with_minus

# Shorter contours, in units of the panel, have no room for a label.
_SHORTEST_LABELLED = 0.3


def overlay_line(
    ax: Axes, x: ArrayLike, y: ArrayLike, *, label: str = "", dashed: bool = False
) -> Line2D:
    """Draws a black line with a white rim, such as the boundary g = 1 between two regimes.

    Args:
        ax: a panel with a heat map.
        x: horizontal coordinates, (n,); entries that are not finite break the line.
        y: vertical coordinates, (n,).
        label: the legend entry; none where empty.
        dashed: dashed, the sign of a theory, in place of solid.

    Returns:
        The line. It leaves the limits of the panel as they are.
    """
    line = Line2D(
        np.asarray(x, dtype=float),
        np.asarray(y, dtype=float),
        color="black",
        linewidth=1.0,
        linestyle=(0, (4, 1.6)) if dashed else "-",
        label=label,
        path_effects=_rim(2.2),
    )
    ax.add_artist(line)
    return line


def overlay_contours(
    ax: Axes, x: ArrayLike, y: ArrayLike, values: ArrayLike, *, levels: Sequence[float]
) -> QuadContourSet | None:
    """Draws contours of a theory over a heat map, dashed, each labelled with its level.

    Args:
        ax: a panel with a heat map.
        x: horizontal coordinates, (n_x,).
        y: vertical coordinates, (n_y,).
        values: what the theory predicts, in the unit of the heat map, (n_y, n_x).
        levels: rising values of the contours; those that the theory does not cross are left out.

    Returns:
        The contours, or None where no level is crossed or an axis has a single point. They
        leave the limits of the panel as they are.
    """
    predicted = np.ma.masked_invalid(unmasked(values))
    known = predicted.compressed()
    crossed = [level for level in levels if (known < level).any() and (known > level).any()]
    if not crossed or min(predicted.shape) < 2:
        return None
    contours = ax.contour(
        np.asarray(x, dtype=float),
        np.asarray(y, dtype=float),
        predicted,
        levels=crossed,
        colors="black",
        linewidths=0.8,
        linestyles=[(0, (4, 1.6))],
    )
    contours.set_path_effects(_rim(2.0))
    # An empty list of places would make clabel wait for a mouse.
    if places := _label_places(ax, contours):
        for text in contours.clabel(fmt=_signed, fontsize=7, inline_spacing=3, manual=places):
            text.set_path_effects(_rim(1.6))
    return contours


def _label_places(ax: Axes, contours: QuadContourSet) -> list[tuple[float, float]]:
    """Finds the middle of each contour: matplotlib's own choice may be cut off by the frame."""
    to_panel = ax.transScale + ax.transLimits
    places = []
    for path in contours.get_paths():
        starts = np.flatnonzero(np.asarray(path.codes) == Path.MOVETO)
        for line in np.split(np.asarray(path.vertices, dtype=float), starts[1:]):
            steps = np.hypot(*np.diff(to_panel.transform(line), axis=0).T)
            length = np.cumsum(steps)
            if length.size and length[-1] >= _SHORTEST_LABELLED:
                x, y = line[np.searchsorted(length, length[-1] / 2)]
                places.append((float(x), float(y)))
    return places


def _signed(level: float) -> str:
    return with_minus(f"{level:g}")


def _rim(width: float) -> list[AbstractPathEffect]:
    return [Stroke(linewidth=width, foreground="white", alpha=0.75), Normal()]
