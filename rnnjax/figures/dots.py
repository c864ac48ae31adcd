"""Single runs as dots: in rows by the values of an axis, or measured over predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from rnnjax.figures.arrays import Floats
from rnnjax.figures.looks import THEORY, Look
from rnnjax.figures.panels import Looks, axis_label, dress, expect_dims, looks_of

_SPREAD = 0.25  # of the seeds of a row about its middle


def dot_rows(
    panel: Axes,
    values: xr.DataArray,
    *,
    rows: str,
    seeds: str = "seed",
    looks: Looks | None = None,
    label: str = "",
    spread: float = _SPREAD,
    median: bool = False,
    beyond: float | None = None,
    count: str = "",
    coloured: bool = False,
    dots: Mapping[str, Any] | None = None,
    **axes: Any,
) -> None:
    """Draws every run as a dot, in one row for each value of a dim, the first row at the top.

    Args:
        panel: the panel.
        values: over `rows` and `seeds`.
        rows: the dim that has a row for each value.
        seeds: the dim of the runs.
        looks: a `Look` for each value of `rows`; only these are drawn, in this order.
        label: template of the default labels.
        spread: how far the runs of a row are spread, sorted, about its middle, in rows.
        median: whether a bar marks the median of a row, with infinities ranked.
        beyond: where runs that are not finite stand, as crosses; by default they are left out.
        count: heading of the number of finite runs at the right of each row; none if empty.
        coloured: whether the label of a row has its colour, for panels beside that have no legend.
        dots: arguments of all dots for matplotlib.
        axes: what `Axes.set` takes, such as xlabel and xlim.

    Raises:
        ValueError: dims and arguments do not match.
    """
    expect_dims(values, (rows, seeds), "runs")
    shown = looks_of(values, rows, looks, label)
    for row, (value, look) in enumerate(shown.items()):
        runs = np.sort(np.asarray(values.sel({rows: value}).values, dtype=float))
        _draw_runs(panel, row, runs, look, spread, beyond, dict(dots or {}))
        if median:
            middle = [np.median(runs)] * 2
            panel.plot(middle, [row - 0.36, row + 0.36], color=look.colour, linewidth=1.8)
        if count:
            message = f"{np.isfinite(runs).sum()}/{len(runs)}"
            place = panel.get_yaxis_transform()
            panel.text(
                1.03, row, message, transform=place, va="center", color=look.colour, fontsize=8
            )
    if count:
        panel.set_title(count, loc="right", fontsize=8)
    panel.set_yticks(range(len(shown)), [look.label for look in shown.values()])
    if coloured:
        for tick, look in zip(panel.get_yticklabels(), shown.values(), strict=True):
            tick.set_color(look.colour)
    dress(panel, axes, xlabel=axis_label(values), ylim=(len(shown) - 0.5, -0.5))


def _draw_runs(
    ax: Axes,
    row: int,
    runs: Floats,
    look: Look,
    spread: float,
    beyond: float | None,
    dots: dict[str, Any],
) -> None:
    places = row + (np.linspace(-spread, spread, len(runs)) if len(runs) > 1 else np.zeros(1))
    finite = np.isfinite(runs)
    style = look.dots(**{"markersize": 4, **dots})
    ax.plot(runs[finite], places[finite], **style)
    if beyond is not None:
        crosses = {**style, "marker": "x"}
        ax.plot(np.full(np.sum(~finite), beyond), places[~finite], **crosses)


def scatter(
    panel: Axes,
    x: xr.DataArray,
    y: xr.DataArray,
    *,
    each: str | None = None,
    looks: Looks | Look | None = None,
    label: str = "",
    diagonal: bool = False,
    dots: Mapping[str, Any] | None = None,
    **axes: Any,
) -> None:
    """Draws one variable over another, a dot for each cell, such as measured over predicted.

    Args:
        panel: the panel.
        x: any dims.
        y: the same dims as `x`, or some of them.
        each: the dim whose values have looks of their own; None for one look.
        looks: a `Look` for each value of `each`, or a single one.
        label: template of the default labels.
        diagonal: whether to draw the line y = x, and to give both axes the same limits.
        dots: arguments of all dots for matplotlib.
        axes: what `Axes.set` takes, such as xscale and xlabel.
    """
    x, y = xr.broadcast(x, y)
    if each is None:
        shown: Looks = {None: looks if isinstance(looks, Look) else Look(label, "#0072B2", "o")}
    else:
        assert not isinstance(looks, Look)
        shown = looks_of(y, each, looks, label)
    for value, look in shown.items():
        at = {} if value is None else {each: value}
        style = look.dots(label=look.label, **(dots or {}))
        panel.plot(x.sel(at).values.ravel(), y.sel(at).values.ravel(), **style)
    dress(panel, axes, xlabel=axis_label(x), ylabel=axis_label(y))
    if diagonal:
        _draw_diagonal(panel, x, y, axes)


def _draw_diagonal(ax: Axes, x: xr.DataArray, y: xr.DataArray, axes: Mapping[str, Any]) -> None:
    limits = axes.get("xlim") or _common_limits(x, y, log=ax.get_xscale() == "log")
    ax.plot(limits, limits, color=THEORY, linestyle="--", linewidth=0.9)
    ax.set(xlim=limits, ylim=limits)


def _common_limits(x: xr.DataArray, y: xr.DataArray, *, log: bool) -> tuple[float, float]:
    ends = np.concatenate([x.values.ravel(), y.values.ravel()])
    ends = ends[np.isfinite(ends) & ((ends > 0) | (not log))]
    if not ends.size:
        return (0.1, 10.0) if log else (-1.0, 1.0)
    if log:
        return 0.7 * ends.min(), 1.4 * ends.max()
    margin = 0.04 * (np.ptp(ends) or 1.0)
    return ends.min() - margin, ends.max() + margin
