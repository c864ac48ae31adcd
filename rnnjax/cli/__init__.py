"""The `rnnjax` command.

Nothing heavy is imported before the arguments are read: jax only where a sweep is computed,
xarray and matplotlib only where a cube is read and a figure drawn.
"""

from typing import TYPE_CHECKING

from rnnjax import lazy

if TYPE_CHECKING:
    from rnnjax.cli import (
        diagnosing,
        exploring,
        given_weights,
        new,
        results,
        states,
        sweeping,
        unforeseen,
        version,
        workbook,
    )
    from rnnjax.cli.command import main
else:
    __getattr__, __dir__ = lazy.package(__name__)

__all__ = [
    "diagnosing",
    "exploring",
    "given_weights",
    "main",
    "new",
    "results",
    "states",
    "sweeping",
    "unforeseen",
    "version",
    "workbook",
]
