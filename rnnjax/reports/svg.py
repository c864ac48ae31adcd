"""Charts as inline SVG whose colours come from the style sheet of the page.

An SVG has a title and a description for those who do not see it. Every text is escaped. There is
no xmlns: inside HTML it is not needed, and the page then holds no address at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import assert_never

import numpy as np

from rnnjax.errors import printable
from rnnjax.figures.arrays import true_runs
from rnnjax.reports.bands import Band, Floats
from rnnjax.reports.chart import Bars, Chart, Line, thinned, ticks
from rnnjax.reports.wording import amount, percent, power_of_ten

_WIDTH, _HEIGHT = 360, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 8, 36
_LINE_HEIGHT = 13
_BAR = 17
_CHARACTER = 5.9  # greatest usual width of a letter, to keep labels inside


@dataclass(frozen=True)
class _Frame:
    """The map from data to the plane of the picture."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    top: float
    height: float = _HEIGHT

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM


def text_of(value: object) -> str:
    """Escape a text for HTML, in one line."""
    return escape(printable(value))


def svg(chart: Chart | Bars, name: str, n_points: int = 160) -> str:
    """Draw a chart.

    Args:
        chart: what is drawn.
        name: a word that no other picture of the page has, for the ids of title and description.
        n_points: about how many points a curve keeps.
    """
    match chart:
        case Chart():
            height: float = _HEIGHT
            parts = _curves(chart, n_points)
        case Bars():
            height = _TOP + _BAR * max(len(chart.names), 1) + _BOTTOM
            parts = _bars(chart, height)
        case _:
            assert_never(chart)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{text_of(chart.title)}</title>'
        f'<desc id="{name}-d">{text_of(chart.description)}</desc>{"".join(parts)}</svg>'
    )


def _curves(chart: Chart, n_points: int) -> Iterator[str]:
    # The labels of the marks stand above the panel, where no curve runs through them.
    names = len(chart.marks) + (len(chart.lines) > 1)
    frame = _Frame(chart.x_range, chart.y_range, _TOP + _LINE_HEIGHT * names)
    yield from _axes(chart, frame)
    for level in chart.levels:
        y = frame.y(level.y)
        yield f'<path class="level" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
    for line in chart.lines:
        if chart.points:
            yield from _points(line, frame)
        else:
            yield from _line(line, thinned(line.band, n_points), frame)
    for level in chart.levels:
        yield _text(_WIDTH - _RIGHT, frame.y(level.y) - 3, level.label, "end halo muted")
    yield from _marks(chart, frame)
    yield from _legend(chart)


def _axes(chart: Chart, frame: _Frame) -> Iterator[str]:
    for value in ticks(*chart.y_range, whole=chart.decades):
        y = frame.y(value)
        text = power_of_ten(value) if chart.decades else amount(value)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        yield _text(_LEFT - 5, y + 3.5, text, "end")
    yield from _x_axis(frame, ticks(*chart.x_range, whole=True), chart.x_label)
    middle = (frame.top + frame.bottom) / 2
    yield (
        f'<text class="mid" transform="translate(10 {middle:.0f}) rotate(-90)">'
        f"{text_of(chart.y_label)}</text>"
    )


def _x_axis(frame: _Frame, values: list[float], label: str) -> Iterator[str]:
    yield f'<path class="axis" d="M{_LEFT} {frame.bottom:g}H{_WIDTH - _RIGHT}"/>'
    for value in values:
        x = frame.x(value)
        yield f'<path class="axis" d="M{x:.1f} {frame.bottom:g}v4"/>'
        # The last number would otherwise run out of the picture.
        place = "end" if x > _WIDTH - _RIGHT - 8 and value >= 100 else "mid"
        yield _text(min(x, _WIDTH - 1), frame.bottom + 15, amount(value), place)
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, frame.height - 5, label, "mid")


def _line(line: Line, band: Band, frame: _Frame) -> Iterator[str]:
    low, high = frame.y_range
    median = np.where(np.isfinite(band.median), band.median, np.nan)
    # An infinite edge runs off the panel instead of ending the band.
    edges = np.clip(band.low, low, high), np.clip(band.high, low, high)
    if not np.array_equal(band.low, band.high, equal_nan=True):
        yield from (
            f'<path class="band c{line.colour}" d="{outline}"/>'
            for first, end in true_runs(np.isfinite(median) & ~np.isnan(edges[0] + edges[1]))
            if (outline := _outline(band.x[first:end], [e[first:end] for e in edges], frame))
        )
    dash = " dashed" if line.dashed else ""
    for first, end in true_runs(np.isfinite(median)):
        path = _path(band.x[first:end], median[first:end], frame)
        yield f'<path class="line{dash} c{line.colour}" d="{path}"/>'
        if end < len(median) or end - first == 1:  # where the gradient becomes 0 or NaN
            x, y = frame.x(band.x[end - 1]), frame.y(median[end - 1])
            yield f'<circle class="dot c{line.colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'


def _outline(x: Floats, edges: list[Floats], frame: _Frame) -> str:
    low, high = edges
    return _path(np.concatenate((x, x[::-1])), np.concatenate((low, high[::-1])), frame) + "Z"


def _path(x: Floats, y: Floats, frame: _Frame) -> str:
    points = [f"{frame.x(a):.1f} {frame.y(b):.1f}" for a, b in zip(x, y, strict=True)]
    return "M" + "L".join(points)


def _points(line: Line, frame: _Frame) -> Iterator[str]:
    band = line.band
    for x, low, y, high in zip(band.x, band.low, band.median, band.high, strict=True):
        at = frame.x(x)
        yield f'<path class="line c0" d="M{at:.1f} {frame.y(low):.1f}V{frame.y(high):.1f}"/>'
        yield f'<circle class="dot c0" cx="{at:.1f}" cy="{frame.y(y):.1f}" r="3.5"/>'


def _marks(chart: Chart, frame: _Frame) -> Iterator[str]:
    for row, mark in enumerate(chart.marks):
        x = frame.x(mark.x)
        y = frame.top - _LINE_HEIGHT * (len(chart.marks) - row) + 9
        yield f'<path class="mark c{mark.colour}" d="M{x:.1f} {y + 2:.1f}V{frame.bottom:g}"/>'
        fits = x + 4 + _CHARACTER * len(mark.label) < _WIDTH
        side, place = (4, "") if fits else (-4, "end ")
        yield _text(x + side, y, mark.label, f"{place}halo c{mark.colour}")


def _legend(chart: Chart) -> Iterator[str]:
    if len(chart.lines) < 2:
        return
    x: float = _LEFT
    for line in chart.lines:
        dash = " dashed" if line.dashed else ""
        yield f'<path class="line{dash} c{line.colour}" d="M{x:.0f} {_TOP + 3}h14"/>'
        yield _text(x + 18, _TOP + 7, line.label, f"c{line.colour}")
        x += 34 + _CHARACTER * len(line.label)


def _bars(bars: Bars, height: float) -> Iterator[str]:
    frame = _Frame((0.0, 1.0), (0.0, 1.0), _TOP, height)
    for i, (name, share) in enumerate(zip(bars.names, bars.shares, strict=True)):
        y = _TOP + _BAR * i
        width = frame.x(share) - _LEFT
        yield f'<rect class="bar" x="{_LEFT}" y="{y + 2}" width="{width:.1f}" height="{_BAR - 4}"/>'
        yield _text(_LEFT - 5, y + _BAR - 5, name, "end")
        inside = share > 0.8
        x = _LEFT + width + (-4 if inside else 4)
        yield _text(x, y + _BAR - 5, percent(share), "end on-bar" if inside else "halo")
    if not bars.names:
        yield _text(_LEFT + 8, _TOP + _BAR - 5, "none at any time", "muted")
    x = frame.x(bars.limit.y)
    yield f'<path class="level" d="M{x:.1f} {_TOP}V{frame.bottom:g}"/>'
    yield from _x_axis(frame, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], bars.x_label)
    yield (
        f'<text class="mid" transform="translate(10 {(_TOP + frame.bottom) / 2:.0f}) '
        'rotate(-90)">unit</text>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{text_of(text)}</text>'
