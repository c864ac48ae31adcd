"""Sweeps: what an experiment declares, how it is planned, run and stored.

What experiment files need is re-exported here and imports no jax; `rnnjax.sweep.programs` does, and
it is imported when a sweep is run.
"""

from rnnjax.errors import ConfigError
from rnnjax.sweep.setting import ActivationName, NameOf, Setting, Static, TaskName, Traced
from rnnjax.variables import Variable

__all__ = [
    "ActivationName",
    "ConfigError",
    "NameOf",
    "Setting",
    "Static",
    "TaskName",
    "Traced",
    "Variable",
]
