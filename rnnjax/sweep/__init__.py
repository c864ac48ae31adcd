"""Sweeps: what an experiment declares, how it is planned, run and stored.

What experiment files need is re-exported here and imports no jax; `run` imports it when it is
called.
"""

from rnnjax.errors import ConfigError
from rnnjax.sweep.in_python import run, zipped
from rnnjax.sweep.setting import ActivationName, NameOf, Setting, Static, TaskName, Traced
from rnnjax.variables import VARIABLES, Variable, named

__all__ = [
    "VARIABLES",
    "ActivationName",
    "ConfigError",
    "NameOf",
    "Setting",
    "Static",
    "TaskName",
    "Traced",
    "Variable",
    "named",
    "run",
    "zipped",
]
