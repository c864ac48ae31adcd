"""Figures in the quality of a paper, and the claims that they stand for. Imports no jax.

`styled` sets the house style; `heat_map` and `decay_curves` draw into panels; `save_figure` writes
PDF and PNG with reproducible bytes; `Claim` holds a number against its source.

What draws is loaded when it is first used, so that claims are checked without matplotlib. No module
here has the name of a function: once imported, it would take the function's place.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy
from rnnjax.figures.claims import Claim, claims_table, claims_to_json, write_claims

if TYPE_CHECKING:
    from rnnjax.figures import stacked_claims
    from rnnjax.figures.curves import curve_handles, decay_curves, ordered_colours
    from rnnjax.figures.edges import cell_edges
    from rnnjax.figures.heat_maps import colour_bar, heat_map, not_finite_handle, symmetric_limit
    from rnnjax.figures.overlay import overlay_contours, overlay_line
    from rnnjax.figures.rows import outcome_rows
    from rnnjax.figures.save import save_figure
    from rnnjax.figures.seeds import SeedBand, seed_band
    from rnnjax.figures.style import COLUMN_WIDTH, PAGE_WIDTH, letter_panels, styled
else:
    __getattr__, __dir__ = lazy.package(__name__)

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
    "outcome_rows",
    "overlay_contours",
    "overlay_line",
    "save_figure",
    "seed_band",
    "stacked_claims",
    "styled",
    "symmetric_limit",
    "write_claims",
]
