"""Figures in the quality of a paper, and the claims that they stand for. Imports no jax.

`styled` sets the house style; `heat_map` and `decay_curves` draw into panels; `save_figure` writes
PDF and PNG with reproducible bytes; `Claim` holds a number against its source.

What draws is loaded when it is first used, so that claims are checked without matplotlib. No module
here has the name of a function: once imported, it would take the function's place.
"""

from importlib import import_module
from typing import Any

from rnnjax.figures.claims import Claim, claims_table, claims_to_json, write_claims

_LOADED_LATER = {
    "COLUMN_WIDTH": "style",
    "PAGE_WIDTH": "style",
    "SeedBand": "seeds",
    "cell_edges": "edges",
    "colour_bar": "heat_maps",
    "curve_handles": "curves",
    "decay_curves": "curves",
    "heat_map": "heat_maps",
    "letter_panels": "style",
    "not_finite_handle": "heat_maps",
    "outcome_rows": "rows",
    "ordered_colours": "curves",
    "overlay_contours": "overlay",
    "overlay_line": "overlay",
    "save_figure": "save",
    "seed_band": "seeds",
    "styled": "style",
    "symmetric_limit": "heat_maps",
}

__all__ = ["Claim", "claims_table", "claims_to_json", "write_claims", *_LOADED_LATER]


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATER:
        return getattr(import_module(f"rnnjax.figures.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnjax.figures' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
