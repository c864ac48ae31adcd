"""The `rnnjax` command.

Nothing heavy is imported before the arguments are read: jax only where a sweep is computed,
xarray and matplotlib only where a cube is read and a figure drawn.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rnnjax.cli.arguments import parse
from rnnjax.cli.source_date import check_source_date
from rnnjax.errors import ConfigError, SetupError, one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, default those of the process.

    Returns:
        The exit status: 0 done; 1 done, but cells or claims failed; 2 bad config or usage;
        3 store trouble; 4 a fault of the environment, or an error that nobody foresaw;
        130 interrupted.
    """
    arguments: Namespace | None = None
    try:
        arguments, overrides = parse(sys.argv[1:] if argv is None else argv)
        check_source_date()
        return _command(arguments, overrides)
    except SetupError as error:
        return _stopped(str(error), 4)
    except ConfigError as error:
        return _stopped(str(error), 2)
    except KeyboardInterrupt:
        return _stopped("interrupted", 130)
    except Exception as error:
        return _failed(error, arguments)


def _failed(error: Exception, arguments: Namespace | None) -> int:
    """Tell of an error of the store, of the operating system, or one that nobody foresaw."""
    from rnnjax.sweep.files import OF_THE_MACHINE, StoreError

    if isinstance(error, StoreError):
        return _stopped(str(error), 3)
    # A name that no file can have, or a disk that fails while it is looked at.
    if isinstance(error, OSError) and error.errno not in OF_THE_MACHINE:
        where = "" if error.filename is None else f"{one_line(str(error.filename), 300)}: "
        return _stopped(f"{where}{error.strerror or error}", 3)
    from rnnjax.cli import unforeseen

    return _stopped(unforeseen.told(error, _out_of(arguments)), 4)


def _out_of(arguments: Namespace | None) -> Path | None:
    """The folder that a command writes to, if it is named on the command line."""
    writes = arguments is not None and arguments.command in ("run", "resume", "merge")
    out = getattr(arguments, "out", None) if writes else None
    return Path(out) if out else None


def _command(arguments: Namespace, overrides: Sequence[tuple[str, str]]) -> int:
    name = arguments.command
    if name in ("run", "plan", "resume", "merge"):
        from rnnjax.cli import sweeping

        if name == "resume":
            return sweeping.resume(arguments)
        if name == "merge":
            return sweeping.bring_together(Path(arguments.out), [*map(Path, arguments.sources)])
        if arguments.help:
            return sweeping.show_help(arguments)
        if arguments.experiment is None:
            arguments.parser.error("expected EXPERIMENT, a name that `rnnjax list` shows or a path")
        return (sweeping.run if name == "run" else sweeping.plan)(arguments, overrides)
    if name == "workbook":
        from rnnjax.cli import workbook

        return workbook.write(arguments)
    if name == "new":
        from rnnjax.cli import new

        return new.write(Path(arguments.file))
    if name == "diagnose":
        from rnnjax.cli import diagnosing

        return diagnosing.diagnose(arguments)
    from rnnjax.cli import results, states

    if name == "list":
        return results.list_experiments()
    if name == "papers":
        return results.papers([Path(out) for out in arguments.out])
    if name == "export":
        return results.export_cube(Path(arguments.out), Path(arguments.target))
    alone = {"status": states.show_status, "verify": states.verify}
    if name in alone:
        return alone[name](Path(arguments.out))
    outs = [Path(out) for out in arguments.out]
    one, several = {
        "figure": (results.redraw, results.redraw_all),
        "check": (results.check, results.check_all),
    }[name]
    file = arguments.experiment
    return one(outs[0], file) if len(outs) == 1 else several(outs, file)


def _stopped(told: str, status: int) -> int:
    print(f"rnnjax: {one_line(told, 600)}", file=sys.stderr)
    return status
