"""One row an alternative: what its runs came to, and how many of them failed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import Floats
from rnnjax.reductions import seed_band

FAILED_COLOUR = "#b02020"


def outcome_rows(
    ax: Axes,
    samples: Sequence[ArrayLike],
    *,
    labels: Sequence[str],
    colours: Sequence[str],
    failed: Sequence[int],
    limits: tuple[float, float],
    what_failed: str = "",
) -> None:
    """Draws the median and the band of each alternative as a row, first at the top.

    A band that ends beyond the panel, at infinity for instance, ends in an arrow.

    Args:
        ax: the panel; its scale and the label of its x-axis are left to the caller.
        samples: the runs of each alternative, (n_seed,), on the scale of the axis.
        labels: one for each row.
        colours: one for each row.
        failed: how many runs failed, by whatever the caller counts as such; written at the right.
        limits: of the x-axis; left to matplotlib where they are not finite.
        what_failed: heading over these numbers.

    Raises:
        ValueError: the numbers of rows do not match.
    """
    if not len(samples) == len(labels) == len(colours) == len(failed):
        raise ValueError(
            f"expected one label, colour and count for each of {len(samples)} rows, got "
            f"{len(labels)} labels, {len(colours)} colours and {len(failed)} counts"
        )
    known = limits[0] < limits[1] < np.inf and limits[0] > -np.inf
    limits = limits if known else (-np.inf, np.inf)
    for row, (runs, colour, n_failed) in enumerate(zip(samples, colours, failed, strict=True)):
        values = np.asarray(runs, dtype=float)
        _draw_row(ax, row, values, colour, limits)
        message = f"{n_failed}/{len(values)}" if n_failed else ""
        place = ax.get_yaxis_transform()
        ax.annotate(
            message, (1, row), (5, 0), xycoords=place, textcoords="offset points", va="center",
            color=FAILED_COLOUR, fontsize=7,
        )  # fmt: skip
    ax.set(ylim=(len(samples) - 0.5, -0.5), **({"xlim": limits} if known else {}))
    ax.set_yticks(range(len(samples)), list(labels))
    ax.tick_params(axis="y", length=0)
    for tick, colour in zip(ax.get_yticklabels(), colours, strict=True):
        tick.set_color(colour)
    if any(failed):
        ax.set_title(what_failed, loc="right", color=FAILED_COLOUR, fontsize=7)


def _draw_row(ax: Axes, row: int, runs: Floats, colour: str, limits: tuple[float, float]) -> None:
    low, median, high = (float(edge[0]) for edge in seed_band(runs[:, None]))
    first, last = (min(max(edge, limits[0]), limits[1]) for edge in (low, high))
    ax.plot([first, last], [row, row], color=colour, linewidth=1.2, solid_capstyle="butt")
    if high > limits[1]:
        ax.plot(last, row, marker=">", color=colour, markersize=4, clip_on=False)
    if limits[0] <= median <= limits[1]:
        ax.plot(median, row, marker="o", color=colour, markersize=3.5)
