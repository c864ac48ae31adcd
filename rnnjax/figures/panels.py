"""What all kinds of panels have in common: which panel shows what, and the labels of its axes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from rnnjax.figures.looks import Look, ordered_looks

Panel = Axes | Sequence[Axes]
Looks = Mapping[Any, Look]


def panel_by_panel(
    panel: Panel, panels: str | None, *arrays: xr.DataArray | None
) -> Iterator[tuple[Axes, Any, tuple[Any, ...]]]:
    """Divides arrays among panels, by the values of a dim.

    Args:
        panel: one panel, or one for each value of the dim `panels`.
        panels: the dim, or None for a single panel.
        arrays: arrays, with or without this dim; the first one has it. None stays None.

    Yields:
        A panel, its value (None for a single panel), and the arrays at this value.

    Raises:
        ValueError: the number of panels is not that of the values.
    """
    if panels is None:
        if not isinstance(panel, Axes):
            raise ValueError(f"expected one panel, got {len(panel)}: name their dim by panels=")
        yield panel, None, arrays
        return
    several = [panel] if isinstance(panel, Axes) else list(panel)
    first = arrays[0]
    assert first is not None
    values = first[panels].values
    if len(several) != len(values):
        raise ValueError(
            f"expected a panel for each of {len(values)} values of {panels}, got {len(several)}"
        )
    for ax, value in zip(several, values, strict=True):
        yield (
            ax,
            value,
            tuple(
                array.sel({panels: value}) if array is not None and panels in array.dims else array
                for array in arrays
            ),
        )


def axis_label(array: xr.DataArray) -> str:
    """Writes the label of an axis from the attributes long_name and units, or from the name."""
    name = str(array.attrs.get("long_name", array.name or ""))
    units = array.attrs.get("units")
    return f"{name} ({units})" if units else name


def dress(ax: Axes, axes: Mapping[str, Any], **defaults: Any) -> None:
    """Sets limits, labels, scales and titles of a panel; `axes` takes the place of defaults.

    Left out are limits that are not finite or at one and the same place, one limit where no data
    set the other, and a logarithmic scale of no positive number.
    """
    settings = {**defaults, **axes}
    # Limits are often the ends of an axis, of which a cube may have a single value, or extremes.
    extent = {"xlim": ax.dataLim.intervalx, "ylim": ax.dataLim.intervaly}
    settings = {
        name: value
        for name, value in settings.items()
        if not _is_no_range(name, value, extent.get(name))
    }
    for axis, least in (("x", ax.dataLim.minposx), ("y", ax.dataLim.minposy)):
        limits = settings.get(f"{axis}lim")
        if settings.get(f"{axis}scale") != "log":
            continue
        # The scale would choose limits of its own meanwhile, and warn of a single point.
        if limits is not None and (limits[0] or 0) > 0:
            ax.set(**{f"{axis}lim": limits})
        elif limits is None and not np.isfinite(least):
            del settings[f"{axis}scale"]  # nothing to draw, which has no logarithm
    ax.set(**settings)


def _is_no_range(name: str, value: Any, extent: Any) -> bool:
    """Whether limits have nothing in between: matplotlib then chooses them by the data."""
    if name not in ("xlim", "ylim") or not np.iterable(value):
        return False
    low, high = value
    known = [end for end in (low, high) if end is not None]
    if len(known) == 1 and not np.isfinite(extent).all():  # matplotlib's own may lie beyond it
        return True
    return not np.isfinite(known).all() or (low is not None and low == high)


def expect_dims(array: xr.DataArray, expected: Iterable[Hashable], what: str) -> None:
    """Refuses an array with other dims than a kind of panel can draw.

    Raises:
        ValueError: dims are missing, or there are others, which are to be selected or reduced.
    """
    wanted = {dim for dim in expected if dim is not None}
    if set(array.dims) != wanted:
        raise ValueError(
            f"expected {what} over {', '.join(sorted(map(str, wanted)))}, "
            f"got {', '.join(map(str, array.dims)) or 'a single number'}: select or reduce first"
        )


def looks_of(values: xr.DataArray, each: str, looks: Looks | None, label: str) -> Looks:
    """Chooses the looks of the values of a dim.

    Args:
        values: has the dim.
        each: the dim.
        looks: by value; only these are drawn, in this order. By default all are drawn, in colours
            of an ordered parameter.
        label: template of the default labels, as in "$g$ = {:.3g}"; "dim = value" if empty, and
            the value alone if it is a text.

    Returns:
        A look for each value that is to be drawn.
    """
    coordinate = values[each]
    if looks is not None:
        return {value: look for value, look in looks.items() if value in coordinate.values}
    default = "{}" if coordinate.dtype.kind in "UO" else f"{each} = {{:g}}"
    return ordered_looks(coordinate.values, label or default)
