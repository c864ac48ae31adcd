"""Decay curves over the lag: the median over seeds, a band over seeds, and theory lines."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import Flags, Floats, true_runs, unmasked
from rnnjax.figures.seeds import SeedBand, seed_band

# Dashed, dotted, dash-dotted: the first theory, the second, ... in units of the line width.
_THEORY_DASHES = ((0, (3.2, 1.8)), (0, (1.0, 1.4)), (0, (4, 1.4, 1, 1.4)))
_THEORY_WIDTH = 0.9
# Blue, violet, magenta, coral, ochre: the lightness (CIE L* 29 to 72) rises in even steps, and five
# neighbours stay 10 CIE units apart with each kind of colour blindness. No end is so dark that
# the darker tone of its theory line would drown in it, or so light that it would vanish on white.
_ORDERED = LinearSegmentedColormap.from_list(
    "ordered", ("#23408f", "#7f3fae", "#c2478f", "#e86a4c", "#eaa12f")
)


def decay_curves(
    ax: Axes,
    x: ArrayLike,
    curves: Sequence[ArrayLike],
    *,
    labels: Sequence[str],
    colours: Sequence[str],
    theory: Sequence[Sequence[ArrayLike]] = (),
) -> list[Line2D]:
    """Draws one median line and one band over seeds for each value of a parameter.

    A curve stops where its median is not finite, with a dot on the last point that is. A band
    whose edge is infinite runs off the panel on that side.

    Args:
        ax: the panel; its labels are left to the caller.
        x: the lags, (n_x,).
        curves: log10 numbers, one array (n_seed, n_x) for each parameter value.
        labels: one legend entry for each curve.
        colours: one colour for each curve, see `ordered_colours`.
        theory: predictions; each holds one array (n_x,) for each curve (NaN where it says
            nothing). The first is dashed, the second dotted, the third dash-dotted, in a darker
            tone of the curve's colour.

    Returns:
        The median lines, in the order of the curves.

    Raises:
        ValueError: the lengths do not match.
    """
    lags = np.asarray(x, dtype=float)
    bands = [seed_band(samples) for samples in curves]
    _check_lengths(lags, bands, labels, colours, theory)
    lines = []
    for band, label, colour in zip(bands, labels, colours, strict=True):
        _draw_band(ax, lags, band, colour)
        lines.append(_draw_median(ax, lags, band.median, label, colour))
    for prediction, dashes in zip(theory, _THEORY_DASHES, strict=False):
        for values, colour in zip(prediction, colours, strict=True):
            ax.plot(
                lags,
                _finite_or_nan(unmasked(values)),
                color=_darker(colour),
                linestyle=dashes,
                linewidth=_THEORY_WIDTH,
                zorder=3,
            )
    return lines


def curve_handles(
    labels: Sequence[str], colours: Sequence[str], theory_labels: Sequence[str] = ()
) -> list[Line2D]:
    """Constructs legend entries for panels that share their curves.

    Args:
        labels: one for each curve.
        colours: one for each curve.
        theory_labels: one for each theory; their dashes are shown in grey.

    Returns:
        The handles, for the `handles` argument of a legend.
    """
    solid = [
        Line2D([], [], color=colour, label=label)
        for label, colour in zip(labels, colours, strict=True)
    ]
    broken = [
        Line2D([], [], color="#404040", linestyle=dashes, linewidth=_THEORY_WIDTH, label=label)
        for label, dashes in zip(theory_labels, _THEORY_DASHES, strict=False)
    ]
    return solid + broken


def ordered_colours(n: int) -> list[str]:
    """Chooses colours for an ordered parameter, dark blue (least) to light ochre (greatest).

    The lightness rises evenly, so the order survives grey print and colour blindness.

    Args:
        n: number of colours, at least 1.

    Returns:
        Hexadecimal colours.

    Raises:
        ValueError: n is less than 1.
    """
    if n < 1:
        raise ValueError(f"expected at least 1 colour, got {n}")
    return [to_hex(_ORDERED(share)) for share in np.linspace(0, 1, n)]


def _draw_median(ax: Axes, x: Floats, median: Floats, label: str, colour: str) -> Line2D:
    (line,) = ax.plot(
        x,
        _finite_or_nan(median),
        color=colour,
        label=label,
        marker=".",
        markevery=_stops(np.isfinite(median)),
    )
    return line


def _stops(finite: Flags) -> list[int]:
    """Finds the points to mark: beside a gap, or alone, where a line would show nothing."""
    marked: set[int] = set()
    for first, end in true_runs(finite):
        marked |= {first} if first > 0 or end - first == 1 else set()
        marked |= {end - 1} if end < len(finite) else set()
    return sorted(marked)


def _draw_band(ax: Axes, x: Floats, band: SeedBand, colour: str) -> None:
    edges = np.stack([band.low, band.high])
    drawn = np.isfinite(band.median)
    seen = np.isfinite(edges) & drawn
    if not seen.any():
        return
    reach = 10 * (np.ptp(edges[seen]) + 1)
    # Infinite edges become points far outside the panel: left infinite they would not be drawn.
    low, high = np.clip(edges, edges[seen].min() - reach, edges[seen].max() + reach)
    polygons = [
        np.column_stack(
            (
                np.concatenate((x[first:end], x[first:end][::-1])),
                np.concatenate((low[first:end], high[first:end][::-1])),
            )
        )
        for first, end in true_runs(drawn)
    ]
    ax.add_collection(
        PolyCollection(polygons, facecolor=colour, alpha=0.2, linewidth=0, zorder=1.5),
        autolim=False,
    )
    for edge, shown in zip(edges, seen, strict=True):
        ax.update_datalim(np.column_stack((x[shown], edge[shown])))
    ax.autoscale_view()


def _finite_or_nan(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)


def _darker(colour: str) -> str:
    return to_hex(0.45 * np.asarray(to_rgb(colour)))  # type: ignore[arg-type]


def _check_lengths(
    x: Floats,
    bands: Sequence[SeedBand],
    labels: Sequence[str],
    colours: Sequence[str],
    theory: Sequence[Sequence[ArrayLike]],
) -> None:
    if not len(bands) == len(labels) == len(colours):
        raise ValueError(
            f"expected one label and one colour for each of {len(bands)} curves, "
            f"got {len(labels)} labels and {len(colours)} colours"
        )
    if len(theory) > len(_THEORY_DASHES):
        raise ValueError(f"expected at most {len(_THEORY_DASHES)} theories, got {len(theory)}")
    for band in bands:
        if band.median.shape != x.shape:
            raise ValueError(f"expected curves over {x.shape} lags, got {band.median.shape}")
    for prediction in theory:
        shapes = [np.shape(values) for values in prediction]
        if shapes != [x.shape] * len(bands):
            raise ValueError(
                f"expected {len(bands)} theory lines of shape {x.shape}, got shapes {shapes}"
            )
