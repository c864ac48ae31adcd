"""The commands that write pages to look at: of results, and the explorer. They need no jax."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rnnjax.atomic_file import write_atomically
from rnnjax.cli.new_file import new_file
from rnnjax.cli.states import result
from rnnjax.errors import ConfigError, printable, shown
from rnnjax.explorer.bundle import bundle
from rnnjax.explorer.cube_page import cube_page
from rnnjax.explorer.selection import selected
from rnnjax.lazy import xr
from rnnjax.sweep.cube import read_cube

_ENDINGS = (".html", ".htm")


def explore(arguments: Namespace) -> int:
    """Write one cube, or two, as an HTML file, and tell where it lies."""
    paths = [Path(text) for text in (arguments.results, arguments.other) if text is not None]
    found = [result(path) for path in paths]
    names = _names(found)
    name = arguments.out or f"{'_and_'.join(map(_name, found))}.html"
    out = new_file(name, *_ENDINGS, replace=arguments.replace)
    parts = (arguments.variable, arguments.select)
    cubes = {name: _part(path, *parts) for name, path in zip(names, found, strict=True)}
    content = cube_page(cubes).encode()
    write_atomically(out, content)
    print(f"explore  {printable(out)}  ({len(content) / 1e6:.3g} MB)")
    return 0


def explorer(arguments: Namespace) -> int:
    """Write the explorer, a page that computes small networks in the browser."""
    out = new_file(arguments.out, *_ENDINGS, replace=arguments.replace)
    content = bundle("main.js", "rnnjax explorer").encode()
    write_atomically(out, content)
    print(f"explorer  {printable(out)}  ({len(content) / 1e3:.0f} kB)")
    return 0


def _part(path: Path, variables: Sequence[str], places: Sequence[str]) -> xr.Dataset:
    """The selected part of a result; a refusal names the result."""
    try:
        return selected(read_cube(path), variables, places)
    except ConfigError as error:
        raise ConfigError(error.key, f"{error.message} (in {printable(path)})") from None


def _name(path: Path) -> str:
    """What a result is called: its folder, or a file that has a name of its own."""
    whole = path.resolve()
    named = whole.is_file() and whole.name != "cube.nc"
    return whole.stem if named else (whole.parent if whole.is_file() else whole).name or "cube"


def _names(paths: list[Path]) -> list[str]:
    """Different names of all results.

    Raises:
        ConfigError: a result is given twice.
    """
    names = [_name(path) for path in paths]
    if len({*names}) < len(names):
        names = [str(path) for path in paths]
    if len({*names}) < len(names):
        raise ConfigError("OTHER", f"expected other results than RESULTS, got {shown(names[1])}")
    return names
