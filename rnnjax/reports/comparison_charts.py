"""The curves of two reports in one chart each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rnnjax import reports
from rnnjax.lazy import matplotlib
from rnnjax.reports.bands import Band
from rnnjax.reports.chart import Chart, Level, Line, Mark, padded_range
from rnnjax.reports.charts import in_decades
from rnnjax.reports.comparison import Comparison
from rnnjax.reports.readings import Reading
from rnnjax.reports.thresholds import THRESHOLDS
from rnnjax.reports.wording import amount

Pair = tuple[Reading, Reading]


def figure(comparison: Comparison) -> matplotlib.figure.Figure:
    """Draw a row of panels for every layer that both reports have."""
    rows = [(layer, tuple(charts(comparison, layer))) for layer in comparison.layers]
    return reports.figure.grid([row for row in rows if row[1]], " -> ".join(comparison.titles))


def charts(comparison: Comparison, layer: str) -> Iterator[Chart]:
    """Yield the charts of a layer for which both reports have a curve."""
    first, second = (
        next(r for r in report.readings if r.layer == layer)
        for report in (comparison.report, comparison.other)
    )
    pair, titles = (first, second), comparison.titles
    yield from _overlaid(
        "Gradient by lag", "lag k (steps back)", "norm of dL/dh at lag k", pair, titles,
        lambda r: in_decades(r.gradient), lambda r: r.horizon, "two decades: lag",
    )  # fmt: skip
    yield from _overlaid(
        "Memory forward", "step t", "gain of dh_t/dh_0", pair, titles,
        lambda r: in_decades(r.forward), lambda r: r.forward_horizon, "two decades: step",
    )  # fmt: skip
    yield from _overlaid(
        "Truncated to K steps", "window K (steps)", "cosine with the whole gradient", pair, titles,
        lambda r: r.window_cosine, lambda r: r.window, "0.99: K =",
        level=Level(THRESHOLDS["window"].value, "0.99"), decades=False,
    )  # fmt: skip


def _overlaid(
    title: str,
    x_label: str,
    y_label: str,
    pair: Pair,
    titles: tuple[str, str],
    curve: Callable[[Reading], Band],
    marked: Callable[[Reading], float],
    meaning: str,
    *,
    level: Level | None = None,
    decades: bool = True,
) -> Iterator[Chart]:
    bands = [curve(reading) for reading in pair]
    if any(band.empty or not np.isfinite(band.median).any() for band in bands):
        return
    at = [marked(reading) for reading in pair]
    marks = tuple(Mark(x, f"{meaning} {amount(x)}", i) for i, x in enumerate(at) if np.isfinite(x))
    description = [
        f"{name}: {f'{meaning} {amount(x)}' if np.isfinite(x) else 'not reached'}"
        for name, x in zip(titles, at, strict=True)
    ]
    limits = padded_range(bands, () if decades else (0.0, 1.0), whole=decades)
    lines = tuple(Line(band, titles[i], i, dashed=i == 1) for i, band in enumerate(bands))
    levels = () if level is None else (level,)
    yield Chart(title, x_label, y_label, lines, levels, marks, limits, decades,
                description="; ".join(description) + ".")  # fmt: skip
