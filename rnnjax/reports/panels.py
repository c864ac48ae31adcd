"""Charts drawn by matplotlib, in the house style of the figures."""

from typing import Any, assert_never

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from rnnjax.errors import printable
from rnnjax.figures.arrays import true_runs
from rnnjax.reports.chart import Bars, Chart, Line, Mark, ticks
from rnnjax.reports.wording import amount, percent, power_of_ten

_COLOURS = ("#0072B2", "#D55E00")  # Okabe and Ito
_MUTED = "#57606a"
_SMALL = 7
_ROWS = 11  # lines of small text in the height of a panel
_HALO = [withStroke(linewidth=2, foreground="white")]
# DejaVu Sans has Latin, Greek and Cyrillic letters; others would be drawn as empty boxes.
_LAST_LETTER = 0x52F


def draw(ax: Axes, chart: Chart | Bars) -> None:
    """Draw a chart into a panel."""
    ax.set_title(plain(chart.title), loc="left")
    ax.set_xlabel(plain(chart.x_label))
    match chart:
        case Chart():
            _curves(ax, chart)
        case Bars():
            _bars(ax, chart)
        case _:
            assert_never(chart)


def plain(text: str) -> str:
    """Escape what the font has no letter for."""
    return "".join(
        c
        if ord(c) <= _LAST_LETTER or c in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
        else c.encode("unicode_escape").decode("ascii")
        for c in printable(text)
    )


def _curves(ax: Axes, chart: Chart) -> None:
    ax.set_ylabel(plain(chart.y_label))
    low, high = chart.y_range
    rows = len(chart.marks)
    # The labels of the marks stand above the curves, each in a row of its own.
    top = high + (high - low) * rows / (_ROWS - rows)
    ax.set(xlim=chart.x_range, ylim=(low, top))
    for level in chart.levels:
        ax.axhline(level.y, color=_MUTED, linewidth=0.8, linestyle="--")
        across = ax.get_yaxis_transform()
        _label(ax, 0.99, level.y, level.label, _MUTED, transform=across, ha="right")
    for line in chart.lines:
        (_points if chart.points else _line)(ax, line, chart.y_range)
    for row, mark in enumerate(chart.marks):
        _mark(ax, mark, row)
    _ticks(ax, chart)
    if len(chart.lines) > 1:
        legend = ax.legend(loc="lower left", fontsize=_SMALL)
        for name in legend.get_texts():  # names may hold dollars
            name.set_parse_math(False)


def _mark(ax: Axes, mark: Mark, row: int) -> None:
    colour = _COLOURS[mark.colour]
    up = 1 - (row + 1) / _ROWS
    ax.axvline(mark.x, 0, up + 0.5 / _ROWS, color=colour, linewidth=0.8, linestyle=":")
    side = "left" if mark.x < np.mean(ax.get_xlim()) else "right"
    upward = ax.get_xaxis_transform()
    _label(ax, mark.x, up, f" {mark.label} ", colour, transform=upward, ha=side)


def _ticks(ax: Axes, chart: Chart) -> None:
    ax.set_xticks(found := ticks(*chart.x_range, 4, whole=True), [amount(x) for x in found])
    values = ticks(*chart.y_range, 4, whole=chart.decades)
    ax.set_yticks(values, [power_of_ten(y) if chart.decades else amount(y) for y in values])


def _line(ax: Axes, line: Line, y_range: tuple[float, float]) -> None:
    band, colour = line.band, _COLOURS[line.colour]
    median = np.where(np.isfinite(band.median), band.median, np.nan)
    low, high = (np.clip(edge, *y_range) for edge in (band.low, band.high))
    known = ~np.isnan(median)
    ax.fill_between(band.x, low, high, where=known, color=colour, alpha=0.2, linewidth=0)
    style = "--" if line.dashed else "-"
    ax.plot(band.x, median, color=colour, linestyle=style, label=plain(line.label) or None)
    for first, end in true_runs(known):
        if end < len(median) or end - first == 1:
            ax.plot(band.x[end - 1], median[end - 1], marker="o", color=colour)


def _points(ax: Axes, line: Line, y_range: tuple[float, float]) -> None:
    band, colour = line.band, _COLOURS[line.colour]
    ax.vlines(band.x, *np.clip([band.low, band.high], *y_range), color=colour)
    ax.plot(band.x, band.median, "o", color=colour, markersize=4)


def _bars(ax: Axes, bars: Bars) -> None:
    places = np.arange(len(bars.names))
    ax.barh(places, bars.shares, color=_COLOURS[0], height=0.75)
    ax.set(xlim=(0, 1), ylim=(max(len(places), 1) - 0.5, -0.5))
    ax.set_ylabel("unit")
    ax.set_yticks(places, [plain(name) for name in bars.names])
    ax.tick_params(axis="y", length=0)
    for place, share in zip(places.tolist(), bars.shares, strict=True):
        inside = share > 0.8
        ax.text(
            share, place, f" {percent(share)} ", va="center_baseline", fontsize=_SMALL,
            ha="right" if inside else "left", color="white" if inside else "black",
        )  # fmt: skip
    ax.axvline(bars.limit.y, color=_MUTED, linewidth=0.8, linestyle="--")
    if not bars.names:
        ax.text(0.02, 0, "none at any time", color=_MUTED, va="center", fontsize=_SMALL)


def _label(ax: Axes, x: float, y: float, text: str, colour: str, **where: Any) -> None:
    ax.text(
        x, y, plain(text), color=colour, fontsize=_SMALL, va="bottom", path_effects=_HALO,
        **where,
    )  # fmt: skip
