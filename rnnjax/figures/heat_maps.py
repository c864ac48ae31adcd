"""Heat maps of log10 numbers over two axes, such as the lag and the gain.

The colours diverge from white at 0 (a gradient that keeps its norm): blue is vanishing, red is
exploding. The two arms have equal lightness at equal distance, and blue against red is told
apart with every common colour-vision deficiency.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LinearSegmentedColormap, Normalize, SymLogNorm
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from rnnjax.figures.arrays import Flags, Floats, true_runs, unmasked
from rnnjax.figures.edges import Scale, cell_edges
from rnnjax.figures.looks import with_minus

_VANISHING = ("#0a2a5e", "#1f5fa8", "#5b9bcf", "#a9cde8", "#e3f0f8")
_EXPLODING = ("#fdeadf", "#f7bd9d", "#df7457", "#b3282d", "#660d20")
# An odd number of colours, because only then is one of them, pure white, exactly at 0.
_DIVERGING = LinearSegmentedColormap.from_list(
    "vanishing_exploding", (*_VANISHING, "#ffffff", *_EXPLODING), N=257
)
# The outline keeps a single cell in sight where it is too small for its hatching.
_HATCH_STYLE: dict[str, Any] = {
    "facecolor": "#ececec",
    "edgecolor": "#8a8a8a",
    "linewidth": 0.4,
    "hatch": "//////",
}
NOT_FINITE = "not finite"
"""The label of the hatched cells, in legends and as the group id of the artist."""


def heat_map(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    values: ArrayLike,
    *,
    limit: float,
    linear: float | None = None,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    x_scale: Scale = "linear",
    y_scale: Scale = "linear",
) -> QuadMesh:
    """Draws log10 numbers as coloured cells; cells that are not finite are hatched in grey.

    Args:
        ax: the panel.
        x: centres of the columns, (n_column,), rising or falling, evenly spaced or not.
        y: centres of the rows, (n_row,), likewise.
        values: log10 of what is shown, (n_row, n_column); masked entries count as not finite.
        limit: the scale runs from -limit to limit; beyond it the end colours are used.
        linear: the scale is linear from -linear to linear and logarithmic beyond, so that values
            near 0 show as well; linear throughout if it is not given or not below the limit.
        x_label: label of the horizontal axis.
        y_label: label of the vertical axis.
        title: title of the panel.
        x_scale: "linear" or "log".
        y_scale: "linear" or "log".

    Returns:
        The mappable, to be handed to `colour_bar`.

    Raises:
        ValueError: the shapes do not match, the limit is not positive, or the centres are not
            monotonic.
    """
    x_edges, y_edges = cell_edges(x, x_scale), cell_edges(y, y_scale)
    cells = unmasked(values)
    shape = (len(y_edges) - 1, len(x_edges) - 1)
    if cells.shape != shape:
        raise ValueError(f"expected values of shape (n_y, n_x) = {shape}, got {cells.shape}")
    if not (math.isfinite(limit) and limit > 0):
        raise ValueError(f"expected a positive finite limit, got {limit}")
    finite = np.isfinite(cells)
    mesh = ax.pcolormesh(
        x_edges,
        y_edges,
        np.ma.masked_where(~finite, cells),
        cmap=_DIVERGING,
        norm=_scale(limit, linear),
        rasterized=True,
    )
    _hatch(ax, x_edges, y_edges, ~finite)
    ax.set(xscale=x_scale, yscale=y_scale, xlabel=x_label, ylabel=y_label, title=title)
    ax.set(xlim=(x_edges.min(), x_edges.max()), ylim=(y_edges.min(), y_edges.max()))
    ax.spines[:].set_visible(True)
    return mesh


def _scale(limit: float, linear: float | None) -> Normalize:
    if linear is None or linear >= limit:
        return Normalize(-limit, limit)
    if not linear > 0:
        raise ValueError(f"expected a positive linear range, got {linear}")
    return SymLogNorm(linear, vmin=-limit, vmax=limit)


def symmetric_limit(values: ArrayLike, cap: float | None = None) -> float:
    """Chooses a round limit for a colour scale that is symmetric about 0.

    Args:
        values: numbers of any shape; those that are not finite are ignored.
        cap: the limit is at most this.

    Returns:
        The 98th percentile of |values|, rounded up to 1, 2 or 5 times a power of ten; 1 where
        no value is finite or all are 0.

    Example:
        >>> symmetric_limit([-3.0, 1.0, float("-inf")])
        5.0
        >>> symmetric_limit([-300.0, 1.0], cap=100)
        100.0
    """
    numbers = unmasked(values)
    magnitudes = np.abs(numbers[np.isfinite(numbers)])
    size = float(np.percentile(magnitudes, 98)) if magnitudes.size else 0.0
    limit = _round_up(size) if size > 0 else 1.0
    return limit if cap is None else min(limit, float(cap))


def _round_up(size: float) -> float:
    decade = math.floor(math.log10(size))
    # One part in 10^9 of slack: a percentile of 2s may come out as 2.0000000000000004.
    candidates = (float(f"{digit}e{decade}") for digit in (1, 2, 5, 10))
    return next(value for value in candidates if size <= value * (1 + 1e-9))


def colour_bar(
    mappables: QuadMesh | Sequence[QuadMesh],
    axes: Axes | Iterable[Axes],
    *,
    label: str,
    location: Literal["left", "right", "top", "bottom"] = "right",
) -> Colorbar:
    """Adds one labelled colour bar for one heat map or for several that share a limit.

    The bar ends in an arrow on each side on which some cell lies beyond the limit.

    Args:
        mappables: what `heat_map` returned, for every panel that the bar serves.
        axes: the panels that give up the room for the bar.
        label: what the colours mean, with its unit.
        location: the side of the panels on which the bar stands.

    Returns:
        The colour bar.

    Raises:
        ValueError: the heat maps have different scales, so one bar would be wrong for some.
    """
    meshes = [mappables] if isinstance(mappables, QuadMesh) else list(mappables)
    panels = [axes] if isinstance(axes, Axes) else list(axes)
    places = sorted({tuple(_ticks(mesh)) for mesh in meshes})
    if len(places) != 1:
        limits = [place[-1] for place in places]
        raise ValueError(f"expected heat maps that share one scale, got limits {limits}")
    (limit,) = (place[-1] for place in places)
    bar = panels[0].figure.colorbar(
        meshes[0],
        ax=panels,
        location=location,
        extend=_extend(meshes, limit),
        extendfrac=0.04,
        ticks=places[0],
        format=FuncFormatter(_signed),
        label=label,
        aspect=22,
        pad=0.02,
    )
    bar.minorticks_off()
    bar.outline.set_linewidth(0.6)
    return bar


def _ticks(mesh: QuadMesh) -> list[float]:
    """0, the limits, and half of them; on a logarithmic scale powers of ten of the linear range."""
    limit = float(mesh.get_clim()[1])
    arm = [limit / 2]
    if isinstance(mesh.norm, SymLogNorm):
        linear = float(mesh.norm.linthresh)
        powers = range(math.ceil(math.log10(limit / linear) - 0.2))
        arm = [linear * 10**power for power in powers]
    arm.append(limit)
    return [*(-place for place in reversed(arm)), 0.0, *arm]


def _signed(value: float, _: int | None = None) -> str:
    return with_minus(f"{value:g}")


def _extend(meshes: Sequence[QuadMesh], limit: float) -> str:
    # Masked cells are left out by compressed, so a hatched cell draws no arrow.
    shown = np.concatenate([np.ma.asarray(mesh.get_array()).compressed() for mesh in meshes])
    below, above = bool(np.any(shown < -limit)), bool(np.any(shown > limit))
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def not_finite_handle() -> Patch:
    """Constructs the legend entry that explains the hatched cells."""
    return Patch(label=NOT_FINITE, **_HATCH_STYLE)


def hatch_background(ax: Axes) -> None:
    """Hatches a panel, which shows wherever no cell covers it."""
    ax.set_facecolor(_HATCH_STYLE["facecolor"])
    ax.patch.set_hatch(_HATCH_STYLE["hatch"])
    ax.patch.set_edgecolor(_HATCH_STYLE["edgecolor"])
    ax.grid(visible=False)


def _hatch(ax: Axes, x_edges: Floats, y_edges: Floats, where: Flags) -> None:
    if not where.any():
        return
    corners = [
        [(left, bottom), (right, bottom), (right, top), (left, top)]
        for left, right, bottom, top in (
            (*x_edges[[first, end]], *y_edges[[first_row, end_row]])
            for first, end, first_row, end_row in _rectangles(where)
        )
    ]
    ax.add_collection(PolyCollection(corners, gid=NOT_FINITE, **_HATCH_STYLE), autolim=False)


def _rectangles(where: Flags) -> list[tuple[int, int, int, int]]:
    """Covers the true cells with rectangles (first, end column, first, end row).

    Merged, because a figure with an overflowed half would hold ten thousand hatched squares.
    """
    done: list[tuple[int, int, int, int]] = []
    growing: dict[tuple[int, int], int] = {}
    for row in range(len(where) + 1):
        runs = true_runs(where[row]) if row < len(where) else []
        done += [(*run, start, row) for run, start in growing.items() if run not in runs]
        growing = {run: growing.get(run, row) for run in runs}
    return done
