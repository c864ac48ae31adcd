"""The `rnnjax` command.

Nothing heavy is imported before the arguments are read: jax only where a sweep is computed,
xarray and matplotlib only where a cube is read and a figure drawn.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rnnjax.cli.arguments import parse
from rnnjax.errors import ConfigError, one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments, default those of the process.

    Returns:
        The exit status: 0 done; 1 done, but cells or claims failed; 2 bad config or usage;
        3 store trouble; 130 interrupted.
    """
    try:
        return _dispatch(*parse(sys.argv[1:] if argv is None else argv))
    except ConfigError as error:
        return _stopped(error, 2)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; Python must not fail again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(arguments: Namespace, overrides: Sequence[tuple[str, str]]) -> int:
    from rnnjax.sweep.files import StoreError

    try:
        return _command(arguments, overrides)
    except StoreError as error:
        return _stopped(error, 3)
    except BrokenPipeError:
        raise
    except (
        OSError
    ) as error:  # a name that no file can have, a disk that fails while it is looked at
        return _stopped(error, 3)


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
    from rnnjax.cli import results

    if name == "list":
        return results.list_experiments()
    if name == "papers":
        return results.papers([Path(out) for out in arguments.out])
    if name == "export":
        return results.export_cube(Path(arguments.out), Path(arguments.target))
    alone = {"status": results.show_status, "verify": results.verify}
    if name in alone:
        return alone[name](Path(arguments.out))
    outs = [Path(out) for out in arguments.out]
    if name == "figure":
        return results.redraw(outs[0]) if len(outs) == 1 else results.redraw_all(outs)
    return results.check(outs[0]) if len(outs) == 1 else results.check_all(outs)


def _stopped(error: Exception, status: int) -> int:
    print(f"rnnjax: {one_line(str(error), 600)}", file=sys.stderr)
    return status
