"""Recurrent cells: frozen values whose array fields can be swept by `vmap`.

What adapts cells of flax is imported when it is asked for: linen and nnx take a tenth of a second.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy
from rnnjax.cells.antisymmetric import Antisymmetric, AntisymmetricParams
from rnnjax.cells.by_name import named, of_size, weights_named
from rnnjax.cells.chain import Chain, ChainParams
from rnnjax.cells.decays.min_gru import MinGRU, MinGRUParams
from rnnjax.cells.decays.min_lstm import MinLSTM, MinLSTMParams
from rnnjax.cells.decays.rg_lru import RGLRU, RGLRUParams
from rnnjax.cells.decays.s5 import S5, S5Params
from rnnjax.cells.decays.s6 import S6, S6Params
from rnnjax.cells.diagonal import LRU, LRUParams
from rnnjax.cells.gated import GRU, LSTM, GatedParams, GRUParams, MinimalGated
from rnnjax.cells.ind_rnn import IndRNN, IndRNNParams
from rnnjax.cells.initial_weights import SparseRescaled, chrono, gaussian, identity, orthogonal
from rnnjax.cells.jordan import Jordan, JordanParams
from rnnjax.cells.matrix_states.delta_net import DeltaNet, DeltaNetParams
from rnnjax.cells.matrix_states.gated_delta_net import GatedDeltaNet, GatedDeltaNetParams
from rnnjax.cells.matrix_states.gated_linear_attention import (
    GatedLinearAttention,
    GatedLinearAttentionParams,
)
from rnnjax.cells.matrix_states.mlstm import MLSTM, MLSTMParams
from rnnjax.cells.matrix_states.retention import Retention, RetentionParams
from rnnjax.cells.minimal_rnn import MinimalRNN, MinimalRNNParams
from rnnjax.cells.orthogonal_rnn import OrthogonalParams, OrthogonalRNN, cayley, henaff
from rnnjax.cells.oscillators.co_rnn import CoRNN, CoRNNParams
from rnnjax.cells.oscillators.unicornn import UnICORNN, UnICORNNParams
from rnnjax.cells.projected import ProjectedLSTM, ProjectedParams
from rnnjax.cells.reset_before import ResetBeforeGRU
from rnnjax.cells.slstm import SLSTM, powerlaw_forget_bias
from rnnjax.cells.spiking.alif import ALIF
from rnnjax.cells.spiking.lif import LIF, SpikingParams
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
    "ALIF",
    "GRU",
    "LIF",
    "LRU",
    "LSTM",
    "MLSTM",
    "RGLRU",
    "S5",
    "S6",
    "SLSTM",
    "Antisymmetric",
    "AntisymmetricParams",
    "Chain",
    "ChainParams",
    "CoRNN",
    "CoRNNParams",
    "DeltaNet",
    "DeltaNetParams",
    "FlaxCell",
    "FlaxParams",
    "GRUParams",
    "GatedDeltaNet",
    "GatedDeltaNetParams",
    "GatedLinearAttention",
    "GatedLinearAttentionParams",
    "GatedParams",
    "IndRNN",
    "IndRNNParams",
    "Jordan",
    "JordanParams",
    "LRUParams",
    "MLSTMParams",
    "MinGRU",
    "MinGRUParams",
    "MinLSTM",
    "MinLSTMParams",
    "MinimalGated",
    "MinimalRNN",
    "MinimalRNNParams",
    "OrthogonalParams",
    "OrthogonalRNN",
    "ProjectedLSTM",
    "ProjectedParams",
    "RGLRUParams",
    "ResetBeforeGRU",
    "Retention",
    "RetentionParams",
    "S5Params",
    "S6Params",
    "SparseRescaled",
    "SpikingParams",
    "Stack",
    "StackParams",
    "TrainedCell",
    "TrainedParams",
    "UnICORNN",
    "UnICORNNParams",
    "Vanilla",
    "VanillaParams",
    "cayley",
    "chrono",
    "from_linen",
    "from_nnx",
    "gaussian",
    "henaff",
    "identity",
    "named",
    "of_size",
    "orthogonal",
    "powerlaw_forget_bias",
    "weights_named",
]
