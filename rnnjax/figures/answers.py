"""The answer that a figure gives: its first sentence is the title, all of it is the caption."""

from __future__ import annotations

import math
import re
import textwrap

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from rnnjax.figures.panels import expect_dims
from rnnjax.reductions import crossing

_LETTERS_AN_INCH = 13.5  # of a title, on average
_LINE = 0.17  # height of a line of a title, in inches


def headline(answer: str) -> str:
    """The first sentence of an answer, without its full stop.

    Example:
        >>> headline("Tanh forgets after 12.5 steps. Medians over 8 seeds.")
        'Tanh forgets after 12.5 steps'
    """
    return re.split(r"\.(?:\s|$)", answer.strip(), maxsplit=1)[0]


def where_positive(values: xr.DataArray, over: str) -> str:
    """Tells where along an axis a curve is positive.

    Args:
        values: one curve, over the dim `over` alone; values that are NaN are left out.
        over: the dim, such as the gain, whose name is part of the words.

    Raises:
        ValueError: the values have other dims, which are to be selected or reduced.

    Example:
        >>> curve = xr.DataArray([-1.0, 3.0], coords={"gain": [1.0, 2.0]}, dims="gain")
        >>> where_positive(curve, "gain"), where_positive(abs(curve), "gain")
        ('beyond gain 1.25', 'at every gain from 1 to 2')
    """
    expect_dims(values, values[over].dims, "one curve")
    known = values.dropna(over).sortby(over)
    positive = known.values > 0
    if not known.size:
        return f"at an unknown {over}"
    ends = [f"{end:g}" for end in known[over].values[[0, -1]]]
    if known.size == 1:
        return f"at {over} {ends[0]}" if positive.all() else f"at no {over} ({ends[0]} alone)"
    if positive.all() or not positive.any():
        return f"at {'every' if positive.all() else 'no'} {over} from {' to '.join(ends)}"
    if positive[0] or not positive[-1]:
        return f"at some {over}s"
    last = int(np.flatnonzero(~positive)[-1])
    earlier = f" (and at some lower {over}s)" if positive[:last].any() else ""
    where = crossing(known.isel({over: slice(last, None)}), over)
    low, high = known[over].values[[last, last + 1]]
    if np.isnan(where) or 0 < 10 * low < high:  # from -inf to +inf, or too far apart for a line
        return f"beyond some {over} from {low:g} to {high:g}{earlier}"
    digits = max(2, math.ceil(-math.log10(high - low) - 1e-9))
    number = f"{where:.{digits}f}" if abs(where) < 1e6 else f"{where:.3g}"
    return f"beyond {over} {number}{earlier}"


def entitle(figure: Figure, answer: str) -> Figure:
    """Writes the first sentence of an answer above a figure, which grows by its lines.

    Args:
        figure: a finished figure that was not saved yet.
        answer: what the figure says, in sentences.

    Returns:
        The figure.
    """
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(headline(answer), int(width * _LETTERS_AN_INCH))
    figure.set_size_inches(width, height + _LINE * len(lines))
    figure.suptitle("\n".join(lines), x=0.005, ha="left", fontweight="bold", fontsize=8)
    return figure
