"""Figures in the quality of a paper, drawn from cubes. Imports no JAX.

A `Frame` holds the panels of a figure. The kinds of panels draw a variable by the names of its
dims: `curves`, `maps`, `dot_rows`, `outcome_rows`, `scatter` and `matrix`; `level`, `ticks` and
`direct_labels` add marks. A `Look` is the label, colour and marker of one value of an axis.
Anything else is drawn by hand on a panel, which is an Axes of matplotlib.

`styled` sets the house style; `save_figure` writes PDF and PNG with reproducible bytes.

What draws is loaded when it is first used, so that claims are checked without matplotlib. No module
here has the name of a function: once imported, it would take the function's place.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnjax.figures.colours import ordered_colours as ordered_colours
    from rnnjax.figures.curve_panels import curves as curves
    from rnnjax.figures.dots import dot_rows as dot_rows
    from rnnjax.figures.dots import scatter as scatter
    from rnnjax.figures.edges import cell_edges as cell_edges
    from rnnjax.figures.frame import Frame as Frame
    from rnnjax.figures.heat_maps import colour_bar as colour_bar
    from rnnjax.figures.heat_maps import heat_map as heat_map
    from rnnjax.figures.heat_maps import not_finite_handle as not_finite_handle
    from rnnjax.figures.heat_maps import symmetric_limit as symmetric_limit
    from rnnjax.figures.looks import BLACK as BLACK
    from rnnjax.figures.looks import BLUE as BLUE
    from rnnjax.figures.looks import FAILED as FAILED
    from rnnjax.figures.looks import GREEN as GREEN
    from rnnjax.figures.looks import GREY as GREY
    from rnnjax.figures.looks import ORANGE as ORANGE
    from rnnjax.figures.looks import PINK as PINK
    from rnnjax.figures.looks import SKY as SKY
    from rnnjax.figures.looks import THEORY as THEORY
    from rnnjax.figures.looks import VERMILION as VERMILION
    from rnnjax.figures.looks import Look as Look
    from rnnjax.figures.looks import handles as handles
    from rnnjax.figures.looks import ordered_looks as ordered_looks
    from rnnjax.figures.map_panels import maps as maps
    from rnnjax.figures.marks import direct_labels as direct_labels
    from rnnjax.figures.marks import level as level
    from rnnjax.figures.marks import ticks as ticks
    from rnnjax.figures.matrices import matrix as matrix
    from rnnjax.figures.overlay import overlay_contours as overlay_contours
    from rnnjax.figures.overlay import overlay_line as overlay_line
    from rnnjax.figures.rows import outcome_rows as outcome_rows
    from rnnjax.figures.save import save_figure as save_figure
    from rnnjax.figures.style import COLUMN_WIDTH as COLUMN_WIDTH
    from rnnjax.figures.style import PAGE_WIDTH as PAGE_WIDTH
    from rnnjax.figures.style import letter_panels as letter_panels
    from rnnjax.figures.style import styled as styled

_LOADED_LATER = {
    "BLACK": "looks",
    "BLUE": "looks",
    "COLUMN_WIDTH": "style",
    "FAILED": "looks",
    "Frame": "frame",
    "GREEN": "looks",
    "GREY": "looks",
    "Look": "looks",
    "ORANGE": "looks",
    "PAGE_WIDTH": "style",
    "PINK": "looks",
    "SKY": "looks",
    "THEORY": "looks",
    "VERMILION": "looks",
    "cell_edges": "edges",
    "colour_bar": "heat_maps",
    "curves": "curve_panels",
    "direct_labels": "marks",
    "dot_rows": "dots",
    "handles": "looks",
    "heat_map": "heat_maps",
    "letter_panels": "style",
    "level": "marks",
    "maps": "map_panels",
    "matrix": "matrices",
    "not_finite_handle": "heat_maps",
    "ordered_colours": "colours",
    "ordered_looks": "looks",
    "outcome_rows": "rows",
    "overlay_contours": "overlay",
    "overlay_line": "overlay",
    "save_figure": "save",
    "scatter": "dots",
    "styled": "style",
    "symmetric_limit": "heat_maps",
    "ticks": "marks",
}

__all__ = [*_LOADED_LATER]


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(import_module(f"rnnjax.figures.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnjax.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
