"""Curves: one line for each value of an axis, with a band over seeds and lines of theory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rnnjax.figures.arrays import Floats
from rnnjax.figures.colours import darker
from rnnjax.figures.lines import THEORY_DASHES, draw_band, draw_median, draw_theory, theory_handle
from rnnjax.figures.looks import BLUE, THEORY, Look
from rnnjax.figures.marks import level as draw_level
from rnnjax.figures.panels import (
    Looks,
    Panel,
    axis_label,
    dress,
    expect_dims,
    looks_of,
    panel_by_panel,
)
from rnnjax.reductions import band as quantile_band

_MANY = 5  # curves from which bands are fainter

Edges = Literal["quantiles", "extremes"]


def curves(
    panel: Panel,
    values: xr.DataArray,
    *,
    over: str,
    each: str | None = None,
    panels: str | None = None,
    band: str | None = None,
    edges: Edges = "quantiles",
    looks: Looks | Look | None = None,
    label: str = "",
    theory: Mapping[str, xr.DataArray] | None = None,
    line: Mapping[str, Any] | None = None,
    level: float | None = None,
    apart: tuple[float, float] = (0.0, 0.0),
    **axes: Any,
) -> list[Line2D]:
    """Draws one curve for each value of a dim, in one panel or in one for each value of another.

    A curve is the median over the dim `band`, with infinities ranked; it stops where it is not
    finite, with a dot on the last point that is.

    Args:
        panel: the panel, or one for each value of the dim `panels`.
        values: over the dims that the next arguments name, and no others.
        over: the dim of the horizontal axis, or a coordinate along one.
        each: the dim that has a curve for each value; None for a single curve.
        panels: the dim that has a panel for each value, whose titles are these values.
        band: the dim of the samples, such as the seeds: a band of 10 to 90 % (the extremes of
            fewer than 5) around their median.
        edges: "extremes" for a band from the least to the greatest sample.
        looks: a `Look` for each value of `each` (only these are drawn, in this order), or the one
            of a single curve; by default colours of an ordered parameter.
        label: template of the default labels, as in "$g$ = {:.3g}".
        theory: lines by label, at most 3, dashed, dotted and dash-dotted: over `over`, on the same
            points or on others, and over `each` if there is a line for each curve, then in a darker
            tone of its colour.
        line: arguments of all curves for matplotlib, as in {"linewidth": 1}.
        level: where a thin horizontal line lies behind the curves, such as 0.
        apart: how far each curve is moved from the one before, to the right and up, so that curves
            which coincide can be told apart; all of them stay centred.
        axes: what `Axes.set` takes, such as xlabel, ylim and title. Labels are by default those of
            the attributes long_name and units.

    Returns:
        Legend entries: the curves, then the theories. A legend of the panel itself needs them only
        for theories of each curve: `panel.legend(handles=...)`; it knows all others.

    Raises:
        ValueError: dims and arguments do not match, or there are more than 3 theories.
    """
    theory = theory or {}
    if len(theory) > len(THEORY_DASHES):
        raise ValueError(f"expected at most {len(THEORY_DASHES)} theories, got {len(theory)}")
    entries: list[Line2D] = []
    for number, (ax, value, parts) in enumerate(
        panel_by_panel(panel, panels, values, *theory.values())
    ):
        one, *lines = parts
        expect_dims(one, (*one[over].dims, each, band), "curves")
        shown = _looks(one, each, looks, label)
        entries = _draw_curves(ax, one, over, each, band, edges, shown, dict(line or {}), apart)
        for place, (words, predicted) in enumerate(zip(theory, lines, strict=True)):
            entries.append(_draw_theory(ax, predicted, over, each, shown, place, words))
        if level is not None:
            draw_level(ax, y=level)
        defaults = {"xlabel": axis_label(one[over])}
        defaults |= {"title": str(value)} if panels else {}
        defaults |= {"ylabel": axis_label(values)} if number == 0 else {}
        own = axes if number == 0 else {k: v for k, v in axes.items() if k != "ylabel"}
        dress(ax, own, **defaults)
    return entries


def _looks(one: xr.DataArray, each: str | None, looks: Looks | Look | None, label: str) -> Looks:
    if each is None:
        return {None: looks if isinstance(looks, Look) else Look(label, BLUE)}
    if isinstance(looks, Look):
        raise ValueError(f"expected a look for each value of {each}, got a single one")
    return looks_of(one, each, looks, label)


def _draw_curves(
    ax: Axes,
    values: xr.DataArray,
    over: str,
    each: str | None,
    band: str | None,
    edges: Edges,
    looks: Looks,
    line: dict[str, Any],
    apart: tuple[float, float],
) -> list[Line2D]:
    x = _numbers(values[over])
    alpha = 0.2 if len(looks) <= _MANY else 0.12
    drawn = []
    for place, (value, look) in enumerate(looks.items(), start=1):
        one = values if each is None else values.sel({each: value})
        right, up = ((place - (len(looks) + 1) / 2) * distance for distance in apart)
        low, middle, high = (_numbers(edge) + up for edge in _banded(one, band, edges))
        if band is not None:
            draw_band(ax, x + right, (low, middle, high), look.colour, alpha)
        drawn.append(draw_median(ax, x + right, middle, **look.line(label=look.label, **line)))
    return drawn


def _banded(one: xr.DataArray, band: str | None, edges: Edges) -> tuple[xr.DataArray, ...]:
    if band is None:
        return one, one, one
    low, middle, high = quantile_band(one, band)
    return (low, middle, high) if edges == "quantiles" else (one.min(band), middle, one.max(band))


def _draw_theory(
    ax: Axes,
    predicted: xr.DataArray,
    over: str,
    each: str | None,
    looks: Looks,
    number: int,
    words: str,
) -> Line2D:
    """Draws a theory, for each curve or once; returns its legend entry."""
    x = _numbers(predicted[over])
    if each not in predicted.dims:
        expect_dims(predicted, predicted[over].dims, f"theory {words!r}")
        draw_theory(ax, x, _numbers(predicted), THEORY, number, words)
        return theory_handle(words, THEORY, number)
    expect_dims(predicted, (*predicted[over].dims, each), f"theory {words!r}")
    for value, look in looks.items():
        one = _numbers(predicted.sel({each: value}))
        draw_theory(ax, x, one, darker(look.colour), number)
    return theory_handle(words, THEORY, number)


def _numbers(array: xr.DataArray) -> Floats:
    return np.asarray(array.values, dtype=float)
