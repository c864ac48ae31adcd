"""Recurrent cells: frozen values whose array fields can be swept by `vmap`.

What adapts cells of flax is imported when it is asked for: linen and nnx take a tenth of a second.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy
from rnnjax.cells.by_name import named, weights_named
from rnnjax.cells.chain import Chain, ChainParams
from rnnjax.cells.diagonal import LRU, LRUParams
from rnnjax.cells.gated import GRU, LSTM, GatedParams, GRUParams, MinimalGated
from rnnjax.cells.initial_weights import SparseRescaled, chrono, gaussian, identity, orthogonal
from rnnjax.cells.jordan import Jordan, JordanParams
from rnnjax.cells.projected import ProjectedLSTM, ProjectedParams
from rnnjax.cells.reset_before import ResetBeforeGRU
from rnnjax.cells.stack import Stack, StackParams
from rnnjax.cells.vanilla import Vanilla, VanillaParams

if TYPE_CHECKING:
    from rnnjax.cells.from_flax import (
        FlaxCell,
        FlaxParams,
        TrainedCell,
        TrainedParams,
        from_linen,
        from_nnx,
    )
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "GRU",
    "LRU",
    "LSTM",
    "Chain",
    "ChainParams",
    "FlaxCell",
    "FlaxParams",
    "GRUParams",
    "GatedParams",
    "Jordan",
    "JordanParams",
    "LRUParams",
    "MinimalGated",
    "ProjectedLSTM",
    "ProjectedParams",
    "ResetBeforeGRU",
    "SparseRescaled",
    "Stack",
    "StackParams",
    "TrainedCell",
    "TrainedParams",
    "Vanilla",
    "VanillaParams",
    "chrono",
    "from_linen",
    "from_nnx",
    "gaussian",
    "identity",
    "named",
    "orthogonal",
    "weights_named",
]
