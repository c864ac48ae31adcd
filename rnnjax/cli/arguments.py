"""The arguments of the `rnnjax` command.

Fixed options are argparse's. Every other ``--key value`` of `run` and `plan` is an override of one
key of the config: it is laid over the TOML file and validated with it, so that a misspelt option
and a misspelt key give the same error.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from rnnjax import cli
from rnnjax.cli import diagnose_arguments, explore_arguments, values
from rnnjax.errors import ConfigError, one_line, suggestion

CLUSTER = ("--cluster", "--scheduler", "--scheduler-file")
VALUED = ("--config", "--out", "--devices", "--memory", "--reuse", *CLUSTER)
COMMANDS = (
    "list", "run", "plan", "resume", "status", "verify", "merge", "export", "figure", "check",
    "papers", "workbook", "diagnose", "explore", "explorer",
)  # fmt: skip
OTHERS = (
    "--devices", "--replace", "--width", *diagnose_arguments.OPTIONS, *explore_arguments.OPTIONS,
)  # fmt: skip
SWITCHES = ("--quick", "--x64", "--return-bytes", "--force", "--pdf", "--help", "-h")
DEVICES = "devices to use; the results do not depend on it (default: every core)"
EXPERIMENT = "its experiment, where the file has moved: a name or a path"
FORCE = "compute again what other code of the experiment or of rnnjax has computed in the folder"
PDF = "write figure.pdf beside figure.png; one that is there is always written again"
WIDTH = "column for one column of a page (3.5 in), written as figure_column.png"
MEMORY = "chunks of as many lanes as SIZE holds on a device, as 500MB or 2GB; in place of --chunk"
EPILOG = (
    "EXPERIMENT is a name that `rnnjax list` shows, or the path of a .py file. Every key of its "
    "config is an option too, as in --axes.gain 'lin(0.5,2,31)' or --n-h 128; "
    "`rnnjax run EXPERIMENT --help` lists them. An axis is a list, lin(a,b,n), log(a,b,n), "
    "intlog(a,b,n) or range(n)."
)
EXITS = (
    "exit status: 0 done; 1 done, but some cells or claims failed; 2 bad config or usage; "
    "3 the store cannot be read or written; 4 the environment does not allow it (a variable, the "
    "machine, a full standard output), or an error that nobody foresaw: its traceback is in the "
    "file that is named; 130 interrupted by Ctrl-C, SIGTERM or SIGHUP. A reader of the output that "
    "goes (| head) changes nothing."
)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print `message` in one line and exit with status 2."""
        misspelt = re.search(r"(?:unrecognized arguments|invalid choice): '?([-\w]+)", message)
        near = suggestion(misspelt[1], (*CLUSTER, *OTHERS, *COMMANDS)) if misspelt else ""
        print(f"rnnjax: {one_line(message, 400)}{near}", file=sys.stderr)
        raise SystemExit(2)


class _Version(argparse.Action):
    """Prints the versions that a report of a fault should name."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print them and exit with status 0."""
        print(cli.version.text())
        raise SystemExit(0)


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[tuple[str, str]]]:
    """Split a command line into its fixed arguments and the overrides of the config.

    Returns:
        The fixed arguments, and (key, text) of each override in the order given.

    Raises:
        ConfigError: an override has no value, or the text is not Unicode.
        SystemExit: as argparse does, after --help or an error.
    """
    for text in argv:
        if any("\ud800" <= character <= "\udfff" for character in text):
            encoding = sys.getfilesystemencoding().upper()
            raise ConfigError("usage", f"expected text in {encoding}, got {text!r}")
    if not argv:
        argv = ["--help"]
    overridable = argv[0] in ("run", "plan")
    fixed, overrides = _split(argv) if overridable else (list(argv), [])
    return _parser().parse_args(fixed), overrides


def _split(argv: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    fixed: list[str] = []
    overrides: list[tuple[str, str]] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("--") or name in (*VALUED, *SWITCHES):
            fixed.append(word)
            if name in VALUED and not equals and rest and not rest[0].startswith("--"):
                fixed[-1] = f"{name}={rest.pop(0)}"
            continue
        key = name.removeprefix("--").replace("-", "_")
        if not equals:
            if not rest or rest[0].startswith("--"):
                near = suggestion(name, (*VALUED, *SWITCHES))
                raise ConfigError(key, f"expected a value after {name}, got nothing{near}")
            value = rest.pop(0)
        overrides.append((key, value))
    return fixed, overrides


def _parser() -> Parser:
    parser = Parser(
        prog="rnnjax",
        description="What the gradient does on its way back through a recurrent network.",
        epilog=EXITS,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show the versions of rnnjax, jax and Python"
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser
    )
    commands.add_parser("list", help="the experiments, one line each", allow_abbrev=False)
    run = _sweeping(commands, "run", "run an experiment, draw its figure and check its claims")
    _sweeping(commands, "plan", "cells, programs to compile, memory and output; runs nothing")
    resume = _with_out(commands, "resume", "go on with an interrupted sweep")
    resume.add_argument("--devices", type=values.devices, metavar="N", help=DEVICES)
    resume.add_argument("--force", action="store_true", help=FORCE)
    _on_cluster(resume)
    _with_out(commands, "status", "how far a sweep is")
    _with_out(commands, "verify", "check every file of a sweep; exit status 3 on a problem")
    message = "bring the groups of several stores of one sweep together"
    merge: Parser = commands.add_parser(
        "merge", help=message, description=message, allow_abbrev=False
    )
    merge.add_argument("out", metavar="OUT", help="the store that takes them; made if it is new")
    merge.add_argument("sources", metavar="SOURCE", nargs="+", help="a store of the same sweep")
    export = _with_out(commands, "export", "write a cube as netCDF, zarr or CSV")
    export.add_argument("target", metavar="FILE", help="FILE.nc, FILE.zarr or FILE.csv")
    figure = _with_outs(commands, "figure", "draw figures again from their cubes")
    message = "compare claims with their cubes; exit status 1 if one fails"
    for command in (resume, figure, _with_outs(commands, "check", message)):
        command.add_argument("--experiment", metavar="FILE", help=EXPERIMENT)
    for command in (run, resume, figure):
        command.add_argument("--pdf", action="store_true", help=PDF)
    widths = ("page", "column")
    figure.add_argument("--width", choices=widths, default="page", help=WIDTH)
    message = "write the template of an experiment, which runs as it is"
    new: Parser = commands.add_parser("new", help=message, description=message, allow_abbrev=False)
    new.add_argument("file", metavar="FILE.py", help="a file that is not there yet")
    _with_outs(commands, "papers", "print the table of published numbers and those found here")
    _workbook(commands)
    diagnose_arguments.add(commands)
    explore_arguments.add(commands)
    return parser


def _sweeping(commands: argparse._SubParsersAction, name: str, help_text: str) -> Parser:
    command: Parser = commands.add_parser(
        name,
        help=help_text,
        description=help_text,
        epilog=EPILOG,
        allow_abbrev=False,
        add_help=False,
    )
    command.add_argument("experiment", metavar="EXPERIMENT", nargs="?")
    command.add_argument("-h", "--help", action="store_true", help="show this and the config")
    command.add_argument("--config", metavar="FILE.toml", help="default: the one beside EXPERIMENT")
    command.add_argument("--quick", action="store_true", help="the small config beside EXPERIMENT")
    command.add_argument("--out", metavar="DIR", help="default: results/EXPERIMENT")
    command.add_argument(
        "--reuse", metavar="DIR", action="append", default=[],
        help="take over the cells of an earlier sweep with other axes; may be repeated",
    )  # fmt: skip
    command.add_argument(
        "--force",
        action="store_true",
        help=f"{FORCE}; with --reuse also take cells that do not tell their code",
    )
    command.add_argument("--x64", action="store_true", help="compute in float64")
    command.add_argument("--devices", type=values.devices, metavar="N", help=DEVICES)
    command.add_argument("--memory", type=values.size, metavar="SIZE", help=MEMORY)
    _on_cluster(command)
    command.set_defaults(parser=command)
    return command


def _on_cluster(command: Parser) -> None:
    group = command.add_argument_group(
        "on a cluster (extra 'cluster')"
    ).add_mutually_exclusive_group()
    group.add_argument(
        "--cluster", type=values.devices, metavar="N", help="start a scheduler and N workers here"
    )
    group.add_argument("--scheduler", metavar="ADDRESS", help="a running one, as tcp://HOST:PORT")
    group.add_argument("--scheduler-file", metavar="FILE", help="the file that it has written")
    command.add_argument(
        "--return-bytes", action="store_true", help="for workers that cannot reach the store"
    )


def _with_out(commands: argparse._SubParsersAction, name: str, help_text: str) -> Parser:
    command: Parser = commands.add_parser(
        name, help=help_text, description=help_text, allow_abbrev=False
    )
    command.add_argument("out", metavar="OUT", help="the folder of the sweep")
    return command


def _with_outs(commands: argparse._SubParsersAction, name: str, help_text: str) -> Parser:
    command: Parser = commands.add_parser(
        name, help=help_text, description=help_text, allow_abbrev=False
    )
    command.add_argument("out", metavar="OUT", nargs="+", help="the folder of a sweep")
    return command


def _workbook(commands: argparse._SubParsersAction) -> None:
    message = "write a spreadsheet that trains a small recurrent network by live formulas"
    command: Parser = commands.add_parser(
        "workbook",
        help=message,
        description=f"{message.capitalize()}: sheets db, parameter, rnn, rnn+et, rnn+et+dx. "
        "Needs the extra xlsx.",
        allow_abbrev=False,
    )
    command.add_argument("out", metavar="OUT.xlsx", help="the spreadsheet to write")
    command.add_argument("--replace", action="store_true", help="write over OUT.xlsx if it exists")
    command.add_argument(
        "--data", metavar="FILE.xlsx", help="data pairs from its sheet db (default: 81 made ones)"
    )
    command.add_argument(
        "--weights", metavar="FILE.xlsx", help="weights from its sheet parameter (default: drawn)"
    )
    command.add_argument(
        "--seed", type=values.whole, default=0, metavar="N", help="of the drawn weights (default 0)"
    )
    command.add_argument(
        "--spread", type=values.finite, default=1.0, metavar="X",
        help="standard deviation of the drawn weights (default 1)",
    )  # fmt: skip
    command.add_argument(
        "--first-set", type=values.whole, default=0, metavar="N",
        help="train the weights as a feedforward network, given the true previous output, for N "
        "cycles before (default 0)",
    )  # fmt: skip
    command.add_argument(
        "--eta", type=values.finite, default=0.5, metavar="X", help="learning rate (default 0.5)"
    )
    command.add_argument(
        "--start",
        type=values.finite,
        default=0.1,
        metavar="X",
        help="i3 of the first step (default 0.1)",
    )
