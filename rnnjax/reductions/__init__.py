"""Reductions of the variables of a cube, by the names of their dims. Imports no JAX.

What xarray says in a word (`mean`, `max`, `sel`) is not repeated here.
"""

from rnnjax.reductions.along import at_best, crossing, evenly, is_largest, rise, slope
from rnnjax.reductions.of_cells import (
    cells,
    finite_states,
    gap,
    largest,
    relative_gap,
    shares_below,
    smallest,
    tabulate,
)
from rnnjax.reductions.prediction import Threshold, area_under_curve, best_threshold
from rnnjax.reductions.quantiles import (
    SeedBand,
    band,
    in_standard_errors,
    median,
    quantile,
    seed_band,
)

__all__ = [
    "SeedBand",
    "Threshold",
    "area_under_curve",
    "at_best",
    "band",
    "best_threshold",
    "cells",
    "crossing",
    "evenly",
    "finite_states",
    "gap",
    "in_standard_errors",
    "is_largest",
    "largest",
    "median",
    "quantile",
    "relative_gap",
    "rise",
    "seed_band",
    "shares_below",
    "slope",
    "smallest",
    "tabulate",
]
