"""The command diagnose: a report of a program, or of weights and sequences."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rnnjax
from rnnjax import cli
from rnnjax.cli import model_file, reports
from rnnjax.cli.interrupt import Interrupts
from rnnjax.cli.model_file import Program
from rnnjax.errors import ConfigError, one_line, printable, shown
from rnnjax.lazy import jax
from rnnjax.sweep.backend import configured

_OF_WEIGHTS = ("data", "framework", "prefix", "readout", "activation", "reset_after")
_OF_SOURCES = ("title", "layer", "x64", *_OF_WEIGHTS)


def diagnose(arguments: Namespace) -> int:
    """Measure, print and write a report, or show two of them side by side."""
    _check_names(arguments)
    if arguments.compare is not None:
        _refuse_options(arguments, ("source", *_OF_SOURCES), "--compare")
        return reports.compare(arguments)
    if arguments.source is None:
        message = "expected SOURCE, a .py file or weights, or --compare BEFORE AFTER, got nothing"
        raise ConfigError("source", message)
    reports.check_out(arguments.out, reports.OF_A_REPORT, replace=arguments.replace)
    path = Path(arguments.source)
    if path.suffix == ".py":
        _refuse_options(arguments, _OF_WEIGHTS, "a .py file")
        if not path.is_file():
            raise ConfigError("source", f"expected a file that exists, got {shown(str(path), 200)}")
    with Interrupts("rnnjax: interrupted; nothing was written") as interrupts:
        configured(1, "float64" if arguments.x64 else "float32", _say)
        with model_file.importable(path):
            report = _measured(arguments, path, interrupts)
    reports.show(report)
    if arguments.out is not None:
        reports.write(report, Path(arguments.out))
    return 0


def _measured(arguments: Namespace, path: Path, interrupts: Interrupts) -> rnnjax.reports.Report:
    def progress(line: str) -> None:
        if interrupts.asked():
            raise KeyboardInterrupt
        print(f"measuring: {one_line(line, 200)}", file=sys.stderr, flush=True)

    layers = arguments.layer
    if path.suffix == ".py":
        program = model_file.read(path)
    else:
        with _in_one_line():
            program, aim = cli.given_weights.read(arguments)
        print(f"loss  {aim}")
        layers = None
    _check(program, layers, path)
    title = program.title if arguments.title is None else arguments.title
    return rnnjax.diagnose(
        program.loss, program.params, program.examples,
        layers=layers, title=title, progress=progress,
    )  # fmt: skip


def _check(program: Program, layers: Any, path: Path) -> None:
    """Trace the program once: what is wrong with it is reported before anything is computed."""
    loss, params, examples, _ = program
    with _in_one_line(path):
        rnnjax.jaxprs.arguments.check_arrays("params", params)
        rnnjax.jaxprs.arguments.check_arrays("examples", examples)
        rnnjax.diagnosis.examples.number_of(examples)
        rnnjax.diagnosis.examples.program_of(loss, params, examples)
        first = jax.tree.map(lambda a: a[0], examples)
        jax.eval_shape(
            lambda p, e: rnnjax.recurrences(loss, p, e, layers=layers).loss, params, first
        )


@contextmanager
def _in_one_line(path: Path | None = None) -> Iterator[None]:
    """Turn what the library refuses into an error of usage; what a file raises gets its line."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        cause = error.__cause__
        if path is not None and cause is not None and model_file.line_in(path, cause):
            raise model_file.failed(path, cause) from error
        key, _, message = str(error).partition(": ")
        raise ConfigError(key, message) from error


def _check_names(arguments: Namespace) -> None:
    names = {name: getattr(arguments, name) for name in ("source", "out", "data")}
    for key, name in (*names.items(), *(("compare", folder) for folder in arguments.compare or ())):
        if name is not None and (not name or "\0" in name):
            raise ConfigError(key, f"expected the name of a file or folder, got {shown(name)}")


def _refuse_options(arguments: Namespace, options: tuple[str, ...], beside: str) -> None:
    for option in options:
        value = getattr(arguments, option)
        if value not in (None, False):
            flag = "SOURCE" if option == "source" else f"--{option.replace('_', '-')}"
            raise ConfigError(option, f"expected no {flag} with {beside}, got {shown(value)}")


def _say(line: str) -> None:
    print(f"rnnjax: {printable(line)}", file=sys.stderr)
