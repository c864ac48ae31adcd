"""Panels whose data have no finite number: they say so, and their scales say nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import Collection, PathCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rnnjax.figures.arrays import unmasked
from rnnjax.figures.heat_maps import NOT_FINITE
from rnnjax.figures.marks import WORDS_OF_LEVEL

WORDS = "no finite value"


def tell(panels: Sequence[Axes]) -> None:
    """Marks the panels in which nothing is finite, and empties a colour bar that serves nothing.

    Words of levels beyond the limits are hidden.
    """
    for panel in panels:
        if _shows_nothing(panel):
            _mark(panel)
        _make_drawable(panel)
        _hide_words_beyond(panel)
    mapped = [one for panel in panels for one in _artists(panel) if _values(one) is not None]
    if not any(map(_is_finite, mapped)):
        for one in mapped:
            bar = getattr(one, "colorbar", None)
            if bar is not None:
                bar.set_ticks([])


def _shows_nothing(panel: Axes) -> bool:
    """Whether a panel has data of which no number is finite; lines across a panel are no data."""
    finite = [_is_finite(artist) for artist in _artists(panel)]
    return bool(finite) and not any(finite)


def _artists(panel: Axes) -> Iterator[Artist]:
    """The artists that show data: lines and spans across a panel stand at it in one direction."""
    for artist in (*panel.lines, *panel.collections, *panel.images, *panel.patches):
        placed = artist.get_transform().contains_branch_seperately(panel.transData)
        across = isinstance(artist, Line2D | Patch) and not all(placed)
        if not across and artist.get_gid() != NOT_FINITE:
            yield artist


def _is_finite(artist: Artist) -> bool:
    """Whether an artist shows a finite number."""
    if isinstance(artist, Line2D):
        return bool(np.isfinite(_points(artist)).all(axis=1).any())
    if isinstance(artist, Patch):
        return bool(np.isfinite(artist.get_path().vertices).all())
    values = _values(artist)
    if values is not None:
        return bool(np.isfinite(values).any())
    if isinstance(artist, PathCollection):  # dots, which share one path
        return bool(np.isfinite(unmasked(artist.get_offsets())).all(axis=1).any())
    paths = artist.get_paths() if isinstance(artist, Collection) else []
    return any(np.isfinite(path.vertices).all(axis=1).any() for path in paths)


def _points(line: Line2D) -> np.ndarray:
    return unmasked(line.get_xydata())


def _values(artist: Artist) -> np.ndarray | None:
    """The numbers that are shown as colours; None where there are none."""
    array = artist.get_array() if isinstance(artist, ScalarMappable) else None
    return None if array is None else unmasked(array)


def _mark(panel: Axes) -> None:
    for text in panel.texts:  # words at data lie anywhere where the data set no limits
        text.set_clip_on(text.get_transform() == panel.transData or text.get_position()[0] <= 1)
    panel.text(
        0.5, 0.5, WORDS, transform=panel.transAxes, ha="center", va="center", color="#707070",
        fontsize=8,
    )  # fmt: skip


def _hide_words_beyond(panel: Axes) -> None:
    """Hides words of levels beyond the limits: they would lie in another panel."""
    (left, right), (low, high) = sorted(panel.get_xlim()), sorted(panel.get_ylim())
    for text in panel.texts:
        if text.get_gid() == WORDS_OF_LEVEL:
            x, y = text.get_position()
            at_height = text.get_transform() == panel.get_yaxis_transform()
            inside = low <= y <= high if at_height else left <= x <= right
            text.set_visible(bool(inside))


def _make_drawable(panel: Axes) -> None:
    """Makes a logarithmic scale linear along which there is no positive number."""
    for name, least in (("x", panel.dataLim.minposx), ("y", panel.dataLim.minposy)):
        is_log = getattr(panel, f"get_{name}scale")() == "log" and not np.isfinite(least)
        if is_log and getattr(panel, f"get_autoscale{name}_on")():
            panel.set(**{f"{name}scale": "linear"})
