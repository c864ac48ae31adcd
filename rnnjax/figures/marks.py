"""Marks on panels: levels with their words, ticks at the values of an axis, labels on curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from rnnjax.figures.looks import with_minus

_BOX = {"facecolor": "#ffffff", "alpha": 0.92, "linewidth": 0, "pad": 2.0}


WORDS_OF_LEVEL = "words of a level"
"""The group id of these texts, which a frame hides where the line lies beyond the panel."""


def level(
    panel: Axes,
    *,
    x: float | None = None,
    y: float | None = None,
    text: str = "",
    dashes: Any = "-",
    **line: Any,
) -> Line2D:
    """Draws a thin line across a panel behind its curves, such as chance or a published number.

    Args:
        panel: the panel.
        x: where a vertical line stands.
        y: where a horizontal line lies; exactly one of the two.
        text: words on the line: at its right end, or beside its top.
        dashes: as in matplotlib; solid by default.
        line: other arguments of the line for matplotlib; a `label` puts it into the legend.

    Returns:
        The line.

    Raises:
        ValueError: both or none of x and y are given.
    """
    if (x is None) == (y is None):
        raise ValueError(f"expected x or y, got x = {x} and y = {y}")
    style = {"color": "#b0b0b0", "linewidth": 0.6, "linestyle": dashes, "zorder": 0, **line}
    words: dict[str, Any] = {
        "fontsize": 7,
        "color": "#404040",
        "bbox": _BOX,
        "gid": WORDS_OF_LEVEL,
        "zorder": 5,
        "ha": "right",
    }
    if y is not None:
        if text:
            panel.text(1, y, text, va="center", transform=panel.get_yaxis_transform(), **words)
        return panel.axhline(y, **style)
    assert x is not None
    if text:
        place: dict[str, Any] = {
            "va": "top",
            "rotation": 90,
            "transform": panel.get_xaxis_transform(),
        }
        panel.text(x, 0.98, text, **{**words, **place})
    return panel.axvline(x, **style)


def ticks(
    panel: Axes,
    axis: Literal["x", "y"],
    values: ArrayLike,
    words: Sequence[str] | None = None,
    **text: Any,
) -> None:
    """Puts ticks at the values of an axis and nowhere else.

    Args:
        panel: the panel.
        axis: "x" or "y".
        values: where the ticks stand.
        words: their labels; the numbers by default.
        text: arguments of the labels for matplotlib, such as rotation.
    """
    places = np.asarray(values)
    set_ticks = panel.set_xticks if axis == "x" else panel.set_yticks
    set_ticks(
        places, words if words is not None else [with_minus(f"{v:g}") for v in places], **text
    )
    set_ticks([], minor=True)


def direct_labels(panel: Axes, lines: Iterable[Line2D], *, distance: float = 0.07) -> None:
    """Writes the label of each curve at its right end, in its colour, in place of a legend.

    Labels that would lie on one another are moved apart by as little as possible. They stand
    outside of the panel, so its limits must have been set.

    Args:
        panel: the panel.
        lines: curves, as `curves` returns them; those without a finite point are left out.
        distance: the least distance between two labels, as a share of the panel's height.
    """
    _ = panel.viewLim  # matplotlib chooses limits late: now, before places are computed
    to_panel = panel.transData + panel.transAxes.inverted()
    ends = []
    for line in lines:
        points = np.column_stack([np.asarray(data, dtype=float) for data in line.get_data()])
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            height = float(to_panel.transform(points[-1])[1])
            ends.append((float(np.clip(height, 0, 1)), line))
    ends.sort(key=lambda end: end[0])
    heights = _moved_apart([height for height, _ in ends], distance)
    for height, (_, line) in zip(heights, ends, strict=True):
        text: dict[str, Any] = {"va": "center", "fontsize": 7, "color": line.get_color()}
        panel.text(1.01, height, str(line.get_label()), transform=panel.transAxes, **text)


def _moved_apart(heights: Sequence[float], distance: float) -> list[float]:
    """Moves rising heights to at least a distance from one another, by least squares.

    Without the distances that are due between them, they only have to rise: neighbours that fall
    are replaced by their mean, until none does.
    """
    groups: list[list[float]] = []
    for number, height in enumerate(heights):
        groups.append([height - number * distance])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    level = [float(np.mean(group)) for group in groups for _ in group]
    return [height + number * distance for number, height in enumerate(level)]
