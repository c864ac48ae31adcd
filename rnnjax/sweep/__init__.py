"""Sweeps: what an experiment declares, how it is planned, run and stored.

The names that an experiment needs are those of `rnnjax.sweep.spec`. No module imports jax before a
sweep is run.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.errors import ConfigError
    from rnnjax.sweep import config_errors
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
else:
    __getattr__, __dir__ = lazy.package(__name__)

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
    "config_errors",
]
