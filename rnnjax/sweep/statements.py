"""The top-level statements of a Python file: the names that each one binds, reads and imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from rnnjax.sweep.normal_form import digest_of, is_text, normalised

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
UNREADABLE = "all of it"  # label of the only statement of a file that cannot be parsed
Chain = tuple[str, ...]


class Import(NamedTuple):
    """One imported name.

    Args:
        module: the module, as in ``a.b``; if `level` > 0, relative to the package `level` steps up.
        name: the name in it; None for the module itself, "*" for all names.
        level: number of leading dots.
    """

    module: str
    name: str | None
    level: int


class Statement(NamedTuple):
    """One top-level statement; an import of several names counts as one statement for each name.

    Args:
        label: its name in messages.
        names: the names it binds.
        digest: the hash of its normal form.
        reads: the dotted names it reads, ``("jax", "numpy", "sum")``.
        imports: what it imports, including imports within a function.
        plain: whether it only binds names, so that it affects only statements that read one of
            them.
        target: what the name of a plain import refers to.
        is_function: whether it is a function, which may be moved within its file.
        runs: the dotted names that are read by what a definition executes when it is made, such as
            a decorator, which may put it where others find it; empty if it executes nothing.
        is_object: whether it binds an object that others may change, such as a table.
    """

    label: str
    names: Chain
    digest: str
    reads: frozenset[Chain] = frozenset()
    imports: tuple[Import, ...] = ()
    plain: bool = True
    target: Import | None = None
    is_function: bool = False
    runs: frozenset[Chain] = frozenset()
    is_object: bool = False


def statements_in(data: bytes) -> list[Statement]:
    """The top-level statements of a file; a single one for all of it if it is not valid Python."""
    try:
        body = ast.parse(data).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [Statement(UNREADABLE, (), digest_of(repr(data)), plain=False)]
    return [statement for node in body if not is_text(node) for statement in _statements(node)]


def _statements(node: ast.stmt) -> list[Statement]:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []  # of what is left of it, only how annotations are evaluated, it decides nothing
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [_imported(node, alias) for alias in node.names]
    names, plain = _bound(node)
    label = ", ".join(names) if plain else "what runs on import"
    return [
        Statement(
            label, names, digest_of(normalised(node)), _reads(node), tuple(_imports(node)),
            plain, is_function=isinstance(node, _FUNCTIONS), runs=_runs(node),
            is_object=_is_object(node),
        )
    ]  # fmt: skip


def _imported(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> Statement:
    (what,) = _imports_of(node, [alias])
    bound = alias.asname or alias.name.partition(".")[0]
    # `import a.b` binds a, which gives access to every submodule of a that was imported.
    names_top = isinstance(node, ast.Import) and alias.asname is None
    target = Import(bound, None, 0) if names_top else what
    digest, star = digest_of(repr((what, bound))), alias.name == "*"
    names = () if star else (bound,)
    return Statement(
        f"import of {alias.name}", names, digest, imports=(what,), plain=not star, target=target
    )


def _bound(node: ast.stmt) -> tuple[Chain, bool]:
    """The names that a statement binds, and whether it does nothing else."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return (node.name,), True
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    elif type(node).__name__ == "TypeAlias":  # Python 3.12
        targets = [node.name]  # type: ignore[attr-defined]
    kinds = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)
    parts = [part for target in targets for part in ast.walk(target)]
    plain = bool(targets) and all(isinstance(part, kinds) for part in parts)
    return tuple(dict.fromkeys(_stored(node))), plain


def _runs(node: ast.stmt) -> frozenset[Chain]:
    """The names in decorators, bases and options of a definition, and what an assignment calls."""
    parts: list[ast.AST] = []
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        parts += node.decorator_list
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *(option.value for option in node.keywords)]
    parts += [part.func for part in _assigned(node) if isinstance(part, ast.Call)]
    return frozenset(chain for part in parts for chain in _reads(part))


def _is_object(node: ast.stmt) -> bool:
    tables = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
    if isinstance(node, ast.ClassDef):
        values = [part.value for part in node.body if isinstance(part, ast.Assign)]
        return any(isinstance(value, tables) for value in values)
    return any(isinstance(part, (*tables, ast.Call)) for part in _assigned(node))


def _assigned(node: ast.stmt) -> Iterator[ast.AST]:
    """All parts of the value that an assignment binds."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
        yield from ast.walk(node.value)


def _stored(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            yield part.id
        elif isinstance(part, (*_FUNCTIONS, ast.ClassDef)):
            yield part.name
        elif isinstance(part, ast.alias):
            yield part.asname or part.name.partition(".")[0]


def _imports(node: ast.AST) -> Iterator[Import]:
    for part in ast.walk(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield from _imports_of(part, part.names)
        elif isinstance(part, ast.Call) and (name := _imported_by_call(part)):
            yield Import(name.lstrip("."), None, len(name) - len(name.lstrip(".")))


def _imported_by_call(call: ast.Call) -> str:
    """The module in ``importlib.import_module("module")``; empty for any other call."""
    name = call.args[0] if call.args else None
    imports = _chain(call.func)[-1:] in (("import_module",), ("__import__",))
    if imports and isinstance(name, ast.Constant) and isinstance(name.value, str):
        return name.value
    return ""


def _imports_of(node: ast.Import | ast.ImportFrom, names: list[ast.alias]) -> Iterator[Import]:
    for alias in names:
        if isinstance(node, ast.Import):
            yield Import(alias.name, None, 0)
        else:
            yield Import(node.module or "", alias.name, node.level)


def _reads(node: ast.AST) -> frozenset[Chain]:
    """The dotted names that are read in a piece of code, including those of local variables."""
    found: set[Chain] = set()
    rest = [node]
    while rest:
        part = rest.pop()
        if chain := _chain(part):
            found.add(chain)
            continue
        if isinstance(part, ast.Global):
            found.update((name,) for name in part.names)
        for annotation in (getattr(part, "annotation", None), getattr(part, "returns", None)):
            rest += _quoted(annotation) if isinstance(annotation, ast.AST) else []
        rest += ast.iter_child_nodes(part)
    return frozenset(found)


def _chain(node: ast.AST) -> Chain:
    """The names of ``a.b.c``; empty if the node is not of that form, or is a name assigned to."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or (isinstance(node.ctx, ast.Store) and not names):
        return ()
    return (node.id, *reversed(names))


def _quoted(annotation: ast.AST) -> Iterator[ast.AST]:
    """The annotations that are written as strings."""
    for part in ast.walk(annotation):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                yield ast.parse(part.value, mode="eval")
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
