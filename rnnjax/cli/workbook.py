"""The command that writes the spreadsheet."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from rnnjax import decks
from rnnjax.cli.new_file import new_file
from rnnjax.errors import ConfigError, printable, shown
from rnnjax.lazy import jax
from rnnjax.sweep.backend import configured


def write(arguments: Namespace) -> int:
    """Write a spreadsheet that trains by live formulas."""
    out = _checked(arguments)
    # As a spreadsheet computes: float32 would show in the 8th digit.
    configured(1, "float64")
    workbook, task = decks.workbook, decks.DataPairs()
    if arguments.data is None:
        table = workbook.from_task(task)
    else:
        table = workbook.read_table(Path(arguments.data))
    if arguments.weights is None:
        cell = workbook.network(spread=arguments.spread)
        params = jax.jit(cell.init)(jax.random.key(arguments.seed))
    else:
        params = workbook.read_weights(Path(arguments.weights))
    setting = workbook.Setting(params, arguments.eta, arguments.start)
    if arguments.first_set:
        setting = workbook.with_first_set(setting, table, arguments.first_set)
    workbook.write_workbook(out, table, setting)
    n_used = int(table.used.sum())
    message = (
        f"{n_used} data pairs used, {len(table.used) - n_used} held out, {table.n_steps} steps"
    )
    print(f"workbook  {printable(out)}  ({message})")
    return 0


def _checked(arguments: Namespace) -> Path:
    """Return where to write, once nothing speaks against it.

    Raises:
        ConfigError: the name is none of a spreadsheet, the file is there already, or no file can be
            there.
    """
    for key in ("out", "data", "weights"):
        name = getattr(arguments, key)
        if name is not None and (not name or "\0" in name):
            raise ConfigError(key, f"expected a file name, got {shown(name)}")
    return new_file(arguments.out, ".xlsx", replace=arguments.replace)
