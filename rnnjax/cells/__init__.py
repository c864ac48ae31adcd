"""Recurrent cells: frozen values whose array fields can be swept by `vmap`."""

from rnnjax.cells.chain import Chain, ChainParams
from rnnjax.cells.diagonal import LRU, LRUParams
from rnnjax.cells.from_flax import FlaxCell, FlaxParams, from_linen, from_nnx
from rnnjax.cells.gated import GRU, LSTM, GatedParams, GRUParams, MinimalGated
from rnnjax.cells.initial_weights import SparseRescaled, chrono, gaussian, identity, orthogonal
from rnnjax.cells.jordan import Jordan, JordanParams
from rnnjax.cells.vanilla import Vanilla, VanillaParams

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
    "SparseRescaled",
    "Vanilla",
    "VanillaParams",
    "chrono",
    "from_linen",
    "from_nnx",
    "gaussian",
    "identity",
    "orthogonal",
]
