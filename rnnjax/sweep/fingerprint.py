"""Two fingerprints of an experiment's code: of what computes its cells, and of what shows them.

The fingerprint of the cells covers all code that is reached by name from ``Setting``,
`coordinates`, `variables`, `shared` and `measure`. It also covers every other statement, except
definitions that are reached only from `figure`, `answer`, `claims`, ``CLAIMS`` and ``REPRODUCES``:
in case of doubt, code is included. A definition that may put itself into a table which the cells
read, by a decorator, a base class or a call, is included as well. Comments, formatting, docstrings,
the annotations of parameters and results of functions, the location of the file and the order of
functions and imports are not covered; neither are data files and files that are run by their paths,
nor installed packages, whose versions are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from rnnjax.sweep.normal_form import digest_of
from rnnjax.sweep.sources import EXPERIMENT, Source, absolute, modules_of
from rnnjax.sweep.statements import Chain, Import, Statement

COMPUTING = ("Setting", "coordinates", "variables", "shared", "measure")
SHOWING = ("figure", "answer", "claims", "CLAIMS", "REPRODUCES")
SCHEME = 2  # increased when the same code gets a different fingerprint
_BY_NAME = {"globals", "locals", "vars", "eval", "exec", "__import__", "import_module", "modules",
            "__subclasses__"}  # fmt: skip
ORDER = "the order of definitions"  # an additional key beside the names of definitions


class _At(NamedTuple):
    """The position of a statement: its module, and its index there."""

    module: str
    number: int


@dataclass(frozen=True)
class Code:
    """The fingerprints of an experiment's code.

    Args:
        cells: the fingerprint of the code that determines the cells.
        shown: the fingerprint of the code that makes the figure and the claims.
        definitions: the hash of each definition, or file beside the experiment, covered by `cells`.
    """

    cells: str
    shown: str
    definitions: Mapping[str, str]

    @property
    def record(self) -> dict[str, object]:
        """The part that a store records, JSON-able."""
        return {"cells": self.cells, "definitions": dict(self.definitions)}


def code_of(sources: Mapping[str, Source]) -> Code:
    """The fingerprints of an experiment, from its sources."""
    graph = _Graph(sources)
    shown = graph.reached(graph.named(EXPERIMENT, SHOWING))
    only_shown = {at for at in shown if graph.statement(at).plain}
    first = graph.all_of(EXPERIMENT) - only_shown | graph.named(EXPERIMENT, COMPUTING)
    cells = graph.reached(first, but_for=only_shown)
    others = {at for at in only_shown if not {*graph.statement(at).names} & {*SHOWING}}
    while entered := graph.entered(others - cells, cells):
        cells |= graph.reached(first | cells | entered, but_for=only_shown)
    definitions = _definitions(sources, cells)
    return Code(_fingerprint(definitions), _fingerprint(_definitions(sources, shown)), definitions)


class _Graph:
    """The dependencies between statements."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = sources
        self.bound: dict[tuple[str, str], set[_At]] = {}
        for module, source in sources.items():
            for number, statement in enumerate(source.statements):
                for name in statement.names:
                    self.bound.setdefault((module, name), set()).add(_At(module, number))

    def all_of(self, module: str) -> set[_At]:
        return {_At(module, n) for n in range(len(self.sources[module].statements))}

    def named(self, module: str, names: Iterable[str]) -> set[_At]:
        return {at for name in names for at in self.bound.get((module, name), ())}

    def reached(self, first: set[_At], but_for: set[_At] | None = None) -> set[_At]:
        """All that the given statements need, and what runs when modules are imported for them.

        If `but_for` is given, all statements of the imported modules are included, except those in
        `but_for` that are not needed.
        """
        found, waiting, entered = set(first), [*first], set[str]()
        while waiting:
            at = waiting.pop()
            new = set(self._needed(at))
            for module in self._executed(at) - entered:
                entered.add(module)
                new |= self._run(module) if but_for is None else self.all_of(module) - but_for
            waiting += new - found
            found |= new
        return found

    def entered(self, shown: set[_At], cells: set[_At]) -> set[_At]:
        """Those of some definitions that may enter themselves into an object which cells read.

        That is one that is bound by an assignment, and that what they execute refers to as well.
        """
        objects = {at for at in cells if self.statement(at).is_object}
        return {at for at in shown if objects & self.reached(self._executing(at))}

    def _executing(self, at: _At) -> set[_At]:
        chains = self.statement(at).runs
        return {found for chain in chains for found in self._bindings(at.module, chain, set())}

    def statement(self, at: _At) -> Statement:
        return self.sources[at.module].statements[at.number]

    def _run(self, module: str) -> set[_At]:
        return {at for at in self.all_of(module) if not self.statement(at).plain}

    def _executed(self, at: _At) -> set[str]:
        importer = self.sources[at.module]
        names = {n for what in self.statement(at).imports for n in modules_of(what, importer)}
        return {name for name in names if name in self.sources}

    def _needed(self, at: _At) -> Iterator[_At]:
        statement = self.statement(at)
        for chain in statement.reads:
            yield from self._bindings(at.module, chain, set())
            if _BY_NAME & {*chain}:
                yield from self.all_of(at.module)
        if statement.target is None:  # a plain import is followed through the names that are read
            for what in statement.imports:
                yield from self._imported(at.module, what, (), set())

    def _bindings(self, module: str, chain: Chain, seen: set[tuple[str, Chain]]) -> set[_At]:
        """The statements that bind ``a`` of ``a.b.c``, and those that it refers to elsewhere."""
        if (module, chain) in seen:
            return set()
        seen.add((module, chain))
        found = set(self.bound.get((module, chain[0]), ()))
        for at in [*found]:
            target = self.statement(at).target
            if target is not None:
                found |= self._imported(module, target, chain[1:], seen)
        return found

    def _imported(
        self, importer: str, what: Import, rest: Chain, seen: set[tuple[str, Chain]]
    ) -> set[_At]:
        """The statements that ``name.rest`` of an import refers to; the whole module if unknown."""
        module = absolute(what, self.sources[importer])
        names = rest if what.name is None else (what.name, *rest)
        while names and f"{module}.{names[0]}" in self.sources:
            module, names = f"{module}.{names[0]}", names[1:]
        if module not in self.sources:
            return set()
        found = self._bindings(module, names, seen) if names else set()
        return found or self.all_of(module)


def _definitions(sources: Mapping[str, Source], chosen: set[_At]) -> dict[str, str]:
    """The hash of each definition of the experiment, and of each file beside it."""
    hashes: dict[str, str] = {}
    for module, places in groupby(sorted(chosen), key=lambda at: at.module):
        statements = [sources[module].statements[at.number] for at in places]
        parts = _digests(statements)
        hashes |= parts if module == EXPERIMENT else {_file(sources[module]): _joined(parts)}
    return hashes


def _digests(statements: list[Statement]) -> dict[str, str]:
    by_label: dict[str, list[str]] = {}
    for statement in statements:
        by_label.setdefault(statement.label, []).append(statement.digest)
    # The order of two imports with the same label is irrelevant, that of two definitions is not.
    hashes = {
        label: "".join(sorted(found) if label.startswith("import of ") else found)
        for label, found in by_label.items()
    }
    ordered = [s for s in statements if s.target is None and not s.is_function]
    names = [name for statement in ordered for name in statement.names]
    if len(names) > len(set(names)) or not all(statement.plain for statement in ordered):
        hashes[ORDER] = repr([(s.label, s.plain or s.digest) for s in ordered])
    return {label: digest_of(text) for label, text in hashes.items()}


def _file(source: Source) -> str:
    suffix = source.path.suffix if source.path else ""
    return source.name.replace(".", "/") + ("/__init__" if source.folders else "") + suffix


def _joined(parts: Mapping[str, str]) -> str:
    return digest_of(repr(sorted(parts.items())))


def _fingerprint(definitions: Mapping[str, str]) -> str:
    return f"{SCHEME}-{_joined(definitions)}"
