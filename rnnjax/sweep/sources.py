"""The files of an experiment: its own file, and the modules of its user that it imports.

They are found by parsing, without importing anything: the imports of the file, including those
within functions, and the imports of the modules found in this way. A module counts as the user's
own unless it belongs to Python, to rnnjax or to an installed package; the folder of the experiment
is searched first.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

from rnnjax.sweep import files
from rnnjax.sweep.statements import Import, Statement, statements_in

EXPERIMENT = ""  # the module name given to the file of the experiment
_INSTALLED = {"site-packages", "dist-packages"}
_PYTHON = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")]


class Source(NamedTuple):
    """One file, which is read only once.

    Args:
        name: the module, as in ``a.b``; `EXPERIMENT` for the experiment.
        path: the file; None for a folder without ``__init__.py``.
        data: its bytes.
        folders: the folders with the modules of a package; empty if it is not a package.
        statements: its top-level statements.
    """

    name: str
    path: Path | None
    data: bytes
    folders: tuple[str, ...]
    statements: tuple[Statement, ...]

    @property
    def is_python(self) -> bool:
        """Whether it is a file of Python, or a folder of such files."""
        return self.path is None or self.path.suffix == ".py"


def read_sources(path: Path) -> dict[str, Source]:
    """The sources of the experiment in a file, by module name.

    Raises:
        StoreError: the file of the experiment cannot be read.
    """
    sources = _Sources(path)
    sources.add(_source(EXPERIMENT, Path(os.path.abspath(path)), ()))
    return sources.found


def modules_of(what: Import, importer: Source) -> Iterator[str]:
    """The modules that an import may execute, packages before their submodules."""
    name = absolute(what, importer)
    parts = name.split(".") if name else []
    yield from (".".join(parts[: n + 1]) for n in range(len(parts)))
    if what.name not in (None, "*") and name:
        yield f"{name}.{what.name}"


def absolute(what: Import, importer: Source) -> str:
    """The full name of the module that is imported from; empty if there is none."""
    if not what.level:
        return what.module
    package = importer.name.split(".") if importer.folders else importer.name.split(".")[:-1]
    if what.level > len(package):
        return ""
    base = package[: len(package) - what.level + 1]
    return ".".join([*base, what.module] if what.module else base)


class _Sources:
    """Reads the modules, each of them once."""

    def __init__(self, path: Path) -> None:
        self.folder = str(path.resolve().parent)
        self.found: dict[str, Source] = {}
        self._known: set[str] = set()

    def add(self, source: Source) -> None:
        self.found[source.name] = source
        waiting = [source]
        while waiting:
            importer = waiting.pop()
            for statement in importer.statements:
                for what in statement.imports:
                    for name in modules_of(what, importer):
                        if name not in self._known and (new := self._read(name)):
                            self.found[name] = new
                            waiting.append(new)

    def _read(self, name: str) -> Source | None:
        self._known.add(name)
        spec = self._spec(name)
        if spec is None:
            return None
        folders = tuple(map(os.path.abspath, spec.submodule_search_locations or ()))
        if spec.loader is None:  # a folder without __init__.py
            own = any(_is_own(Path(folder)) for folder in folders)
            return Source(name, None, b"", folders, ()) if own else None
        path = Path(os.path.abspath(spec.origin or ""))
        return _source(name, path, folders) if path.is_file() and _is_own(path) else None

    def _spec(self, name: str) -> ModuleSpec | None:
        package, _, _ = name.rpartition(".")
        if package:
            known = self.found.get(package)
            return PathFinder.find_spec(name, known.folders) if known else None
        if name in sys.stdlib_module_names or name == "rnnjax":
            return None
        spec = PathFinder.find_spec(name, [self.folder, *sys.path])
        if spec is not None and spec.loader is not None:
            return spec
        return _found_otherwise(name) or spec


def _found_otherwise(name: str) -> ModuleSpec | None:
    """The spec of a top-level module that is found by means other than the search path."""
    for finder in sys.meta_path:
        # Packages installed in editable mode register their own finders.
        if finder is not PathFinder and type(finder).__module__ != "rnnjax.sweep.own_modules":
            spec = finder.find_spec(name, None)
            if spec is not None and spec.loader is not None:
                return spec
    return None


def _source(name: str, path: Path, folders: tuple[str, ...]) -> Source:
    data = files.read_bytes(path)
    return Source(name, path, data, folders, tuple(statements_in(data)))


def _is_own(path: Path) -> bool:
    """Whether a file belongs neither to Python nor to an installed package."""
    if _INSTALLED & {*path.parts, *path.resolve().parts}:
        return False
    return not any(path.resolve().is_relative_to(folder) for folder in _PYTHON)
