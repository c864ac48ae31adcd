"""rnnjax: what the gradient does on its way back through a recurrent network.

Importing the package imports nothing else: every public name is loaded when it is first used, so
that the command line answers at once and figures are drawn without JAX.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rnnjax import (
        activations,
        adjoint,
        analysis,
        bidirectional,
        catalog,
        cells,
        claims,
        cotangents,
        decks,
        diagnosis,
        directions,
        dynamics,
        errors,
        figures,
        generate,
        gradient,
        importers,
        jaxprs,
        layers,
        losses,
        matrices,
        parallel,
        penalties,
        probes,
        reductions,
        reports,
        rules,
        scaled,
        scan,
        sequences,
        sweep,
        tangents,
        tasks,
        theory,
        train,
        train_online,
        train_pieces,
        types,
        updates,
    )
    from rnnjax.activations import Activation, activation_named
    from rnnjax.bidirectional import Bidirectional
    from rnnjax.cells import (
        GRU,
        LRU,
        LSTM,
        Chain,
        Jordan,
        MinimalGated,
        ProjectedLSTM,
        ResetBeforeGRU,
        Stack,
        Vanilla,
        from_linen,
        from_nnx,
    )
    from rnnjax.claims import Claim
    from rnnjax.compiling import run_once
    from rnnjax.diagnosis.diagnose import diagnose
    from rnnjax.diagnosis.monitor import monitor
    from rnnjax.importers import from_keras, from_torch
    from rnnjax.jaxprs.recurrences import recurrences
    from rnnjax.rules import BPTT, RTRL, DiscountedRTRL
    from rnnjax.scaled import Scaled
    from rnnjax.scan import outputs, sequence_loss, unroll
    from rnnjax.train import accuracy, fit, mean_loss
    from rnnjax.train_online import fit_online
    from rnnjax.train_pieces import train_in_pieces
    from rnnjax.trajectory import Trajectory
    from rnnjax.types import Batch, RuleOut
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "BPTT",
    "GRU",
    "LRU",
    "LSTM",
    "RTRL",
    "Activation",
    "Batch",
    "Bidirectional",
    "Chain",
    "Claim",
    "DiscountedRTRL",
    "Jordan",
    "MinimalGated",
    "ProjectedLSTM",
    "ResetBeforeGRU",
    "RuleOut",
    "Scaled",
    "Stack",
    "Trajectory",
    "Vanilla",
    "accuracy",
    "activation_named",
    "activations",
    "adjoint",
    "analysis",
    "bidirectional",
    "catalog",
    "cells",
    "claims",
    "cotangents",
    "decks",
    "diagnose",
    "diagnosis",
    "directions",
    "dynamics",
    "errors",
    "figures",
    "fit",
    "fit_online",
    "from_keras",
    "from_linen",
    "from_nnx",
    "from_torch",
    "generate",
    "gradient",
    "importers",
    "jaxprs",
    "layers",
    "losses",
    "matrices",
    "mean_loss",
    "monitor",
    "outputs",
    "parallel",
    "penalties",
    "probes",
    "recurrences",
    "reductions",
    "reports",
    "rules",
    "run_once",
    "scaled",
    "scan",
    "sequence_loss",
    "sequences",
    "sweep",
    "tangents",
    "tasks",
    "theory",
    "train",
    "train_in_pieces",
    "train_online",
    "train_pieces",
    "types",
    "unroll",
    "updates",
]
