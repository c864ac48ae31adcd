"""What is read off measured arrays: decay, spectra, ridges, gradients of several rules."""

from rnnjax.analysis.alignment import (
    alignment_with,
    alignment_with_exact,
    direction,
    mean_of,
    pairwise_alignment,
)
from rnnjax.analysis.decay import e_folding, horizon
from rnnjax.analysis.latch import log_margins
from rnnjax.analysis.motion import share_in_direction
from rnnjax.analysis.past_inputs import answers_by_past
from rnnjax.analysis.ridge import Ridge, ridge
from rnnjax.analysis.rounding import error_growth
from rnnjax.analysis.spectrum import entropy_rate, kaplan_yorke_dimension
from rnnjax.analysis.strata import stratified

__all__ = [
    "Ridge",
    "alignment_with",
    "alignment_with_exact",
    "answers_by_past",
    "direction",
    "e_folding",
    "entropy_rate",
    "error_growth",
    "horizon",
    "kaplan_yorke_dimension",
    "log_margins",
    "mean_of",
    "pairwise_alignment",
    "ridge",
    "share_in_direction",
    "stratified",
]
