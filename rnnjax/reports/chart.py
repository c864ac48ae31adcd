"""A chart as a value: what is drawn, without how. SVG and matplotlib draw the same values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnjax.reports.bands import Band, Floats

Indices = NDArray[np.int_]


@dataclass(frozen=True)
class Line:
    """A curve, with a band around it or without.

    Attributes:
        band: its points.
        label: written beside it; "" for none.
        colour: 0 for the first, 1 for the second colour of the style.
        dashed: whether the line is broken.
    """

    band: Band
    label: str = ""
    colour: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line with its label."""

    y: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A vertical line with its label."""

    x: float
    label: str
    colour: int = 0


@dataclass(frozen=True)
class Chart:
    """Curves over a number of steps.

    Attributes:
        title: what is shown.
        x_label: with unit.
        y_label: with unit.
        lines: curves.
        levels: horizontal lines.
        marks: vertical lines.
        y_range: limits of the y-axis.
        decades: whether y is the log10 of what the axis shows.
        points: whether the curves are separate points with error bars.
        description: the chart in words, for those who do not see it.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    levels: tuple[Level, ...] = ()
    marks: tuple[Mark, ...] = ()
    y_range: tuple[float, float] = (0.0, 1.0)
    decades: bool = False
    points: bool = False
    description: str = ""

    @property
    def note(self) -> str:
        """What is to be read under the title."""
        return self.description

    @property
    def x_range(self) -> tuple[float, float]:
        """From the first to the last x of any curve; half a step around points."""
        first = min(line.band.x[0] for line in self.lines)
        last = max(line.band.x[-1] for line in self.lines)
        around = 0.5 if self.points or first == last else 0.0
        return float(first) - around, float(last) + around


@dataclass(frozen=True)
class Bars:
    """Shares from 0 to 1 of a few units.

    Attributes:
        title: what is shown.
        x_label: of the shares.
        names: one a bar, the first at the top.
        shares: (n,).
        limit: a labelled line across the bars.
        description: the chart in words.
        note: what is to be read under the title.
    """

    title: str
    x_label: str
    names: tuple[str, ...]
    shares: tuple[float, ...]
    limit: Level
    description: str = ""
    note: str = ""


def ticks(low: float, high: float, n: int = 5, *, whole: bool = False) -> list[float]:
    """Choose round numbers in a range.

    Args:
        low: end of the range.
        high: the other end, above `low`.
        n: about how many.
        whole: whether they must be integers.

    Example:
        >>> ticks(0, 100), ticks(-7.3, 0.4, whole=True)
        ([0.0, 20.0, 40.0, 60.0, 80.0, 100.0], [-6.0, -4.0, -2.0, 0.0])
    """
    rough = (high - low) / n
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda s: abs(np.log(s * power / rough)))
    step = max(step, 1.0) if whole else step
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    # Adding 0 turns -0 into 0.
    return [float(round(i * step, 10)) + 0.0 for i in np.arange(first, last + 1)]


def padded_range(
    bands: Sequence[Band], also: Sequence[float] = (), *, whole: bool = False
) -> tuple[float, float]:
    """Return the limits of an axis that holds the finite parts of all medians and bands.

    Args:
        bands: what is drawn.
        also: numbers that the axis shows as well.
        whole: whether a short axis goes to the next integers, so that decades have two numbers.
    """
    values = np.concatenate([[*also], *(np.ravel([b.low, b.median, b.high]) for b in bands)])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if whole and high - low < 3:
        first = float(np.floor(low))
        return first, max(high + 0.1, first + 1)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def thinned(band: Band, n: int) -> Band:
    """Reduce a curve to about n points that keep its extremes.

    Of each of n/2 runs of neighbouring points the lowest and the highest median stay, at their own
    x, with the outermost edges of the run.
    """
    if len(band.x) <= n:
        return band
    runs = np.array_split(np.arange(len(band.x)), max(n // 2, 1))
    kept = [_ends(band.median, run) for run in runs]
    kept[0] = np.union1d(kept[0], runs[0][:1])
    kept[-1] = np.union1d(kept[-1], runs[-1][-1:])
    edges = [
        (np.fmin.reduce(band.low[run]), np.fmax.reduce(band.high[run]), len(points))
        for run, points in zip(runs, kept, strict=True)
    ]
    low, high, sizes = (np.array(column) for column in zip(*edges, strict=True))
    at = np.concatenate(kept)
    low, high = np.repeat(low, sizes), np.repeat(high, sizes)
    return Band(band.x[at], low, band.median[at], high, band.n_examples)


def _ends(median: Floats, run: Indices) -> Indices:
    """Return where the median of a run is lowest and highest; its first point if it is NaN."""
    known = run[~np.isnan(median[run])]
    if not known.size:
        return run[:1]
    return np.unique([known[np.argmin(median[known])], known[np.argmax(median[known])]])
