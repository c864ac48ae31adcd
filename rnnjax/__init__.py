"""rnnjax: what the gradient does on its way back through a recurrent network.

Importing the package imports nothing else: every public name is loaded when it is first used, so
that the command line answers at once and figures are drawn without JAX.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_MODULES = (
    "activations",
    "adjoint",
    "bidirectional",
    "catalog",
    "cells",
    "directions",
    "dynamics",
    "errors",
    "figures",
    "gradient",
    "jaxprs",
    "importers",
    "layers",
    "losses",
    "matrices",
    "parallel",
    "penalties",
    "probes",
    "ratios",
    "rules",
    "scaled",
    "scan",
    "sweep",
    "tangents",
    "tasks",
    "theory",
    "train",
    "train_online",
    "types",
    "updates",
    "workbook",
)
_NAMES = {
    "Batch": "types",
    "RuleOut": "types",
    "Activation": "activations",
    "activation_named": "activations",
    "Scaled": "scaled",
    "Trajectory": "scan",
    "unroll": "scan",
    "outputs": "scan",
    "sequence_loss": "scan",
    "Bidirectional": "bidirectional",
    "Vanilla": "cells",
    "LSTM": "cells",
    "GRU": "cells",
    "MinimalGated": "cells",
    "LRU": "cells",
    "Chain": "cells",
    "Jordan": "cells",
    "ProjectedLSTM": "cells",
    "ResetBeforeGRU": "cells",
    "Stack": "cells",
    "from_keras": "importers",
    "from_linen": "cells",
    "from_nnx": "cells",
    "recurrences": "jaxprs",
    "diagnose": "diagnosis",
    "monitor": "diagnosis",
    "from_torch": "importers",
    "BPTT": "rules",
    "EligibilityRatio": "rules",
    "EligibilityTrace": "rules",
    "RTRL": "rules",
    "fit": "train",
    "fit_online": "train_online",
    "Claim": "figures",
}

__all__ = [*_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(f"rnnjax.{_NAMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"rnnjax.{name}")
    raise AttributeError(f"module 'rnnjax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
