"""Sweeps: what an experiment declares, how it is planned, run and stored.

What experiment files need is re-exported here and imports no jax; `run` imports it when it is
called.
"""

from rnnjax.errors import ConfigError
from rnnjax.sweep.in_python import run, zipped
from rnnjax.sweep.setting import (
    ActivationName,
    CellName,
    Named,
    NameOf,
    RuleName,
    Setting,
    Static,
    TaskName,
    Traced,
    WeightsName,
)
from rnnjax.variables import VARIABLES, Variable, named

__all__ = [
    "VARIABLES",
    "ActivationName",
    "CellName",
    "ConfigError",
    "NameOf",
    "Named",
    "RuleName",
    "Setting",
    "Static",
    "TaskName",
    "Traced",
    "Variable",
    "WeightsName",
    "named",
    "run",
    "zipped",
]
