"""The arguments of `rnnjax explore` and `rnnjax explorer`."""

from __future__ import annotations

import argparse

TOLD = "write results as one HTML file in which every variable can be looked at"
DESCRIPTION = (
    f"{TOLD[0].upper()}{TOLD[1:]}: as a map or as curves over any axes, at any coordinates of the "
    "others, with the median over seeds; and two results side by side with their difference. The "
    "file opens in a browser without a network and needs no other file."
)
OPTIONS = ("--variable", "--select")


PAGE = "write the explorer, one HTML file that computes the gradients of small networks"
ABOUT = (
    f"{PAGE[0].upper()}{PAGE[1:]} in the browser as their settings change: by lag and gain, free "
    "of underflow, beside plain float32. The file needs no network and no other file."
)


def add(commands: argparse._SubParsersAction) -> None:
    """Add both commands to those of a parser."""
    explorer: argparse.ArgumentParser = commands.add_parser(
        "explorer", help=PAGE, description=ABOUT, allow_abbrev=False
    )
    explorer.add_argument("out", metavar="OUT.html", help="the file to write")
    explorer.add_argument("--replace", action="store_true", help="write over OUT.html if it exists")
    command: argparse.ArgumentParser = commands.add_parser(
        "explore", help=TOLD, description=DESCRIPTION, allow_abbrev=False
    )
    command.add_argument(
        "results", metavar="RESULTS", help="the folder of a sweep, or a netCDF file"
    )
    command.add_argument("other", metavar="OTHER", nargs="?", help="a second one, to compare")
    command.add_argument(
        "--out", metavar="FILE.html", help="the file to write (default: the folder's name, here)"
    )
    command.add_argument("--replace", action="store_true", help="write over the file if it exists")
    command.add_argument(
        "--variable", metavar="NAME", action="append", default=[],
        help="keep this variable; may be repeated (default: all)",
    )  # fmt: skip
    command.add_argument(
        "--select", metavar="DIM=VALUE", action="append", default=[],
        help="keep one coordinate of a dim, as seed=0; may be repeated",
    )  # fmt: skip
