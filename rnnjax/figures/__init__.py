"""Figures in the quality of a paper, and the claims that they stand for. Imports no jax.

`styled` sets the house style; `heat_map` and `decay_curves` draw into panels; `save_figure` writes
PDF and PNG with reproducible bytes; `Claim` holds a number against its source.
"""

from rnnjax.figures.cell_edges import cell_edges
from rnnjax.figures.claims import Claim, claims_table, claims_to_json, write_claims
from rnnjax.figures.decay_curves import (
    curve_handles,
    decay_curves,
    ordered_colours,
)
from rnnjax.figures.heat_map import colour_bar, heat_map, not_finite_handle, symmetric_limit
from rnnjax.figures.overlay import overlay_contours, overlay_line
from rnnjax.figures.save import save_figure
from rnnjax.figures.seed_band import SeedBand, seed_band
from rnnjax.figures.style import COLUMN_WIDTH, PAGE_WIDTH, letter_panels, styled

__all__ = [
    "COLUMN_WIDTH",
    "PAGE_WIDTH",
    "Claim",
    "SeedBand",
    "cell_edges",
    "claims_table",
    "claims_to_json",
    "colour_bar",
    "curve_handles",
    "decay_curves",
    "heat_map",
    "letter_panels",
    "not_finite_handle",
    "ordered_colours",
    "overlay_contours",
    "overlay_line",
    "save_figure",
    "seed_band",
    "styled",
    "symmetric_limit",
    "write_claims",
]
