"""Which command the arguments ask for, and the exit status that an error has."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rnnjax import cli
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
        return _stopped(*cli.unforeseen.ending(error, _out_of(arguments)))


def _out_of(arguments: Namespace | None) -> Path | None:
    """The folder that a command writes to, if it is named on the command line."""
    writes = arguments is not None and arguments.command in ("run", "resume", "merge")
    out = getattr(arguments, "out", None) if writes else None
    return Path(out) if out else None


def _command(arguments: Namespace, overrides: Sequence[tuple[str, str]]) -> int:
    name = arguments.command
    if name in ("run", "plan", "resume", "merge"):
        if name == "resume":
            return cli.sweeping.resume(arguments)
        if name == "merge":
            return cli.sweeping.bring_together(Path(arguments.out), [*map(Path, arguments.sources)])
        if arguments.help:
            return cli.sweeping.show_help(arguments)
        if arguments.experiment is None:
            arguments.parser.error("expected EXPERIMENT, a name that `rnnjax list` shows or a path")
        return (cli.sweeping.run if name == "run" else cli.sweeping.plan)(arguments, overrides)
    if name == "workbook":
        return cli.workbook.write(arguments)
    if name == "new":
        return cli.new.write(Path(arguments.file))
    if name in ("explore", "explorer"):
        return getattr(cli.exploring, name)(arguments)
    if name == "diagnose":
        return cli.diagnosing.diagnose(arguments)
    if name == "list":
        return cli.results.list_experiments()
    if name == "papers":
        return cli.results.papers([Path(out) for out in arguments.out])
    if name == "export":
        return cli.results.export_cube(Path(arguments.out), Path(arguments.target))
    alone = {"status": cli.states.show_status, "verify": cli.states.verify}
    if name in alone:
        return alone[name](Path(arguments.out))
    outs = [Path(out) for out in arguments.out]
    file, single = arguments.experiment, len(outs) == 1
    if name == "check":
        return cli.results.check(outs[0], file) if single else cli.results.check_all(outs, file)
    if single:
        return cli.results.redraw(outs[0], file, pdf=arguments.pdf, width=arguments.width)
    return cli.results.redraw_all(outs, file, pdf=arguments.pdf, width=arguments.width)


def _stopped(text: str, status: int) -> int:
    print(f"rnnjax: {one_line(text, 600)}", file=sys.stderr)
    return status
