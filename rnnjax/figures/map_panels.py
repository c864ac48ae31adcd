"""Heat maps of one variable over two axes, a panel for each value of a third."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.collections import QuadMesh

from rnnjax.figures.edges import Scale
from rnnjax.figures.heat_maps import colour_bar, heat_map, symmetric_limit
from rnnjax.figures.panels import Panel, axis_label, dress, expect_dims, panel_by_panel


def maps(
    panel: Panel,
    values: xr.DataArray,
    *,
    x: str,
    y: str,
    panels: str | None = None,
    limit: float | None = None,
    linear: float | None = None,
    bar: str | None = None,
    x_scale: Scale = "linear",
    y_scale: Scale = "linear",
    **axes: Any,
) -> list[QuadMesh]:
    """Draws a heat map for each value of a dim, with one colour bar; what is not finite is hatched.

    Args:
        panel: the panel, or one for each value of the dim `panels`.
        values: signed numbers, such as log10 of norms, over `x`, `y` and `panels`.
        x: the dim of the horizontal axis.
        y: the dim of the vertical axis.
        panels: the dim that has a panel for each value, whose titles are these values.
        limit: colours run from -limit to limit; by default `symmetric_limit` of all values.
        linear: colours are linear from -linear to linear and logarithmic beyond, so that values
            near 0 show as well; by default linear throughout.
        bar: the label of the colour bar; by default that of the attributes long_name and units.
            Empty: no bar.
        x_scale: "linear" or "log".
        y_scale: "linear" or "log".
        axes: what `Axes.set` takes, such as xlabel and title.

    Returns:
        The meshes, for a colour bar of their own.

    Raises:
        ValueError: dims and arguments do not match, or the limit is not positive.
    """
    limit = symmetric_limit(values.values) if limit is None else limit
    meshes, drawn = [], []
    for number, (ax, value, (one,)) in enumerate(panel_by_panel(panel, panels, values)):
        expect_dims(one, (x, y), "maps")
        rows = one.transpose(y, x).values
        scales: dict[str, Any] = {"linear": linear, "x_scale": x_scale, "y_scale": y_scale}
        meshes.append(heat_map(ax, one[x], one[y], rows, limit=limit, **scales))
        drawn.append(ax)
        # Panels share their axes: only the first one names the vertical one.
        labels = {"ylabel": axis_label(one[y])} if number == 0 else {}
        labels |= {"title": str(value)} if panels else {}
        own = axes if number == 0 else {k: v for k, v in axes.items() if k != "ylabel"}
        dress(ax, own, xlabel=axis_label(one[x]), **labels)
    label = axis_label(values) if bar is None else bar
    if label:
        colour_bar(meshes, drawn, label=label)
    return meshes
