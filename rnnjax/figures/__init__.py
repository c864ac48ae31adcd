"""Figures in the quality of a paper, drawn from cubes. Imports no JAX.

A `Frame` holds the panels of a figure. The kinds of panels draw a variable by the names of its
dims: `curves`, `maps`, `dot_rows`, `outcome_rows`, `scatter` and `matrix`; `level`, `ticks` and
`direct_labels` add marks. A `Look` is the label, colour and marker of one value of an axis.
Anything else is drawn by hand on a panel, which is an Axes of matplotlib.

`Axes` and `Figure` are those of matplotlib, for annotations. `styled` sets the house style;
`entitle` writes the answer that a figure gives above it, `where_positive` tells part of one;
`save_figure` writes PNG and PDF with reproducible bytes.

What draws is loaded when it is first used, so that claims are checked without matplotlib. No module
here has the name of a function: once imported, it would take the function's place.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnjax.figures.answers import entitle, headline, where_positive
    from rnnjax.figures.colours import ordered_colours
    from rnnjax.figures.curve_panels import curves
    from rnnjax.figures.dots import dot_rows, scatter
    from rnnjax.figures.edges import cell_edges
    from rnnjax.figures.frame import Frame
    from rnnjax.figures.heat_maps import colour_bar, heat_map, not_finite_handle, symmetric_limit
    from rnnjax.figures.looks import (
        ACTIVATION_LOOKS,
        BLACK,
        BLUE,
        FAILED,
        GREEN,
        GREY,
        ORANGE,
        PINK,
        SKY,
        THEORY,
        VERMILION,
        Look,
        distinct_looks,
        handles,
        ordered_looks,
    )
    from rnnjax.figures.map_panels import maps
    from rnnjax.figures.marks import direct_labels, level, ticks
    from rnnjax.figures.matrices import matrix
    from rnnjax.figures.overlay import overlay_contours, overlay_line
    from rnnjax.figures.rows import outcome_rows
    from rnnjax.figures.rule_kinds import RULE_KINDS, rule_kind
    from rnnjax.figures.rule_labels import rule_label, rule_look
    from rnnjax.figures.save import save_figure
    from rnnjax.figures.style import COLUMN_WIDTH, PAGE_WIDTH, in_column, letter_panels, styled
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "ACTIVATION_LOOKS",
    "BLACK",
    "BLUE",
    "COLUMN_WIDTH",
    "FAILED",
    "GREEN",
    "GREY",
    "ORANGE",
    "PAGE_WIDTH",
    "PINK",
    "RULE_KINDS",
    "SKY",
    "THEORY",
    "VERMILION",
    "Axes",
    "Figure",
    "Frame",
    "Look",
    "cell_edges",
    "colour_bar",
    "curves",
    "direct_labels",
    "distinct_looks",
    "dot_rows",
    "entitle",
    "handles",
    "headline",
    "heat_map",
    "in_column",
    "letter_panels",
    "level",
    "maps",
    "matrix",
    "not_finite_handle",
    "ordered_colours",
    "ordered_looks",
    "outcome_rows",
    "overlay_contours",
    "overlay_line",
    "rule_kind",
    "rule_label",
    "rule_look",
    "save_figure",
    "scatter",
    "styled",
    "symmetric_limit",
    "ticks",
    "where_positive",
]
