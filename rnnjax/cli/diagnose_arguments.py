"""The arguments of `rnnjax diagnose`."""

from __future__ import annotations

import argparse

TOLD = "measure what the gradient does on its way back through your network, on your data"
DESCRIPTION = (
    f"{TOLD.capitalize()}. SOURCE is a Python file that defines loss(params, example), params and "
    "examples (arrays with a leading axis), and may define title; or a .safetensors or .npz file "
    "of the weights of a recurrent module of PyTorch or Keras, with --data. The report is printed, "
    "and written to --out as report.html, report.nc and figure.png."
)
EPILOG = (
    "FILE.npz of --data holds x (examples, steps, inputs), and may hold y: numbers (examples, "
    "outputs) or integer labels (examples,) of the last step, or (examples, steps, outputs) or "
    "(examples, steps) of every step; and mask (examples, steps), weights whose last one that is "
    "not 0 ends a sequence, or lengths (examples,). The loss is the mean squared error, or the "
    "cross entropy of labels; without y a fixed unit vector is carried back from the last step."
)

OPTIONS = (
    "--compare", "--data", "--framework", "--prefix", "--readout", "--activation", "--layer",
    "--title", "--reset-after",
)  # fmt: skip


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to those of a parser."""
    command: argparse.ArgumentParser = commands.add_parser(
        "diagnose", help=TOLD, description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False
    )
    command.add_argument("source", metavar="SOURCE", nargs="?", help="FILE.py, or weights")
    command.add_argument("--out", metavar="DIR", help="where to write (default: only print)")
    command.add_argument(
        "--replace", action="store_true", help="write over a report that is in DIR already"
    )
    command.add_argument("--title", metavar="TEXT", help="of the report (default: name of SOURCE)")
    command.add_argument(
        "--layer", metavar="NAME", action="append",
        help="a recurrence to measure, or for Keras a layer to take, in order; may be repeated",
    )  # fmt: skip
    command.add_argument("--x64", action="store_true", help="compute in float64")
    command.add_argument(
        "--compare", nargs=2, metavar=("BEFORE", "AFTER"),
        help="show two reports side by side, of two folders that --out has written, and write "
        "comparison.html to --out; in place of SOURCE",
    )  # fmt: skip
    _of_weights(command.add_argument_group("weights"))


def _of_weights(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", metavar="FILE.npz", help="the sequences")
    group.add_argument(
        "--framework", choices=("torch", "keras"), help="default: read off the names of the weights"
    )
    group.add_argument(
        "--prefix", metavar="NAME", help="the recurrent module of PyTorch, as encoder.lstm"
    )
    group.add_argument(
        "--readout", metavar="NAME", help="the linear layer that gives the outputs from the states"
    )
    group.add_argument("--activation", metavar="NAME", help="that of nn.RNN or SimpleRNN, as tanh")
    group.add_argument(
        "--reset-after", choices=("yes", "no"), help="that of a Keras GRU without bias"
    )
