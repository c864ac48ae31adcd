"""Import of an experiment and its user's own modules from the bytes that were hashed.

Python would read a module when it is imported, possibly within `measure` and long after the start.
Here the sources that were read once are compiled, so that the code that runs is the code whose hash
is stored, and every process finds the same modules, whatever its working directory. A process works
on one experiment at a time: loading another one unloads the modules of the first.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType

from rnnjax.sweep.sources import EXPERIMENT, Source


def imported(sources: Mapping[str, Source], name: str) -> ModuleType:
    """Execute the file of an experiment as module `name`, with its user's modules importable."""
    _offer({own: source for own, source in sources.items() if own != EXPERIMENT})
    source = sources[EXPERIMENT]
    module = importlib.util.module_from_spec(_spec(name, source))
    sys.modules[name] = module  # pydantic looks up postponed annotations there
    try:
        _Loader(name, source).exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


class _Loader(SourceFileLoader):
    """Loads a module from bytes in memory; its path is used in tracebacks."""

    def __init__(self, name: str, source: Source) -> None:
        super().__init__(name, str(source.path))
        self.own = source.data

    def get_data(self, path: str) -> bytes:
        """The bytes of the module, or those of another file beside it."""
        return self.own if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> CodeType:
        """The code of the module, never taken from a cache of compiled files."""
        return self.source_to_code(self.own, self.path)


class _Finder(MetaPathFinder):
    """Finds the modules that were read."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of this name, None if it was not read."""
        source = self.sources.get(fullname)
        return None if source is None else _spec(fullname, source)


_finder = _Finder()


def _offer(sources: Mapping[str, Source]) -> None:
    """Make these modules importable in place of the previous ones, and unload both sets.

    All of them are loaded again, because an unchanged module may refer to one that has changed.
    """
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    before, _finder.sources = _finder.sources, {n: s for n, s in sources.items() if s.is_python}
    for name in {**before, **_finder.sources}:
        sys.modules.pop(name, None)


def _spec(name: str, source: Source) -> ModuleSpec:
    loader = None if source.path is None else _Loader(name, source)
    spec = ModuleSpec(name, loader, origin=str(source.path), is_package=bool(source.folders))
    spec.has_location = loader is not None
    if source.folders:
        spec.submodule_search_locations = [*source.folders]
    return spec
