"""Sweeps: what an experiment declares, how it is planned, run and stored.

The names of `rnnjax.sweep.spec` are re-exported here and import no jax; only `rnnjax.sweep.run`
does, and it is imported when a sweep is run.
"""

from rnnjax.errors import ConfigError
from rnnjax.sweep.spec import (
    ActivationName,
    Axes,
    Config,
    Lane,
    NameOf,
    Static,
    TaskName,
    Variable,
)

__all__ = [
    "ActivationName",
    "Axes",
    "Config",
    "ConfigError",
    "Lane",
    "NameOf",
    "Static",
    "TaskName",
    "Variable",
]
