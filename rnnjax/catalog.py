"""The names a config may use, found by reading files instead of importing them.

Validation has to know every activation, rule, task, cell and experiment, yet must not pay for
importing jax. The files themselves are the list: nothing is registered by hand.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from rnnjax import lazy

PACKAGE = Path(__file__).resolve().parent
Kind = Literal["rules", "tasks", "cells", "weights"]


@cache
def activation_names() -> tuple[str, ...]:
    """Names of the module-level ``name = Activation(...)`` in `rnnjax.activations`."""
    path = PACKAGE / "activations.py"
    if not path.is_file():
        return ()
    statements = lazy.syntax_tree(path.read_text(encoding="utf-8")).body
    return tuple(name for node in statements for name in _activations_assigned(node))


def _activations_assigned(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return []
    call = node.value
    if not (isinstance(call, ast.Call) and ast.unparse(call.func).endswith("Activation")):
        return []
    return [target.id for target in targets if isinstance(target, ast.Name)]


class Entry(NamedTuple):
    """A class or function of the package that a config may name.

    Attributes:
        name: its name.
        module: the module that defines it, dotted.
        fields: the fields of a class, each with whether its constructor needs a value of it.
        is_class: whether the name stands for a value of the class, or for the function itself.
    """

    name: str
    module: str
    fields: Mapping[str, bool]
    is_class: bool


@cache
def entries(kind: Kind) -> Mapping[str, Entry]:
    """Everything public of a kind, by name: what has the methods that the kind is known by.

    Args:
        kind: "rules", "tasks", "cells", or "weights" (initial recurrent weights).
    """
    folders, belongs = _KINDS[kind]
    found: dict[str, Entry] = {}
    for folder in folders:
        for path in sorted(PACKAGE.joinpath(folder).glob("*.py")):
            module = ".".join(("rnnjax", *folder.split("/"), path.stem))
            for node in lazy.syntax_tree(path.read_text(encoding="utf-8")).body:
                if belongs(node):
                    found[node.name] = _entry(node, module)
    return dict(sorted(found.items()))


def _has(*members: str) -> Callable[[ast.stmt], bool]:
    def belongs(node: ast.stmt) -> bool:
        return (
            isinstance(node, ast.ClassDef)
            and not node.name.startswith("_")
            and {*members} <= {name for inner in node.body for name in _bound(inner)}
        )

    return belongs


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_rule(node: ast.stmt) -> bool:
    """Whether a class of values is called with a state, runs forward in time, or is a product."""
    if not isinstance(node, ast.ClassDef) or not node.decorator_list:
        return False
    called = [_arguments(inner) for inner in node.body if _bound(inner) == ["__call__"]]
    bases = {ast.unparse(base) for base in node.bases}
    return any("state" in names for names in called) or _has("point")(node) or "OnlineRule" in bases


def _draws_weights(node: ast.stmt) -> bool:
    """Whether a function, or the values of a class, take (key, n)."""
    if isinstance(node, ast.ClassDef):
        calls = [inner for inner in node.body if _bound(inner) == ["__call__"]]
        return any(_arguments(call) == ["self", "key", "n"] for call in calls)
    return _arguments(node) == ["key", "n"]


def _arguments(node: ast.stmt) -> list[str]:
    return [a.arg for a in node.args.args] if isinstance(node, ast.FunctionDef) else []


_CELLS = (
    "cells", "cells/decays", "cells/matrix_states", "cells/oscillators", "cells/spiking"
)  # fmt: skip
_KINDS: dict[Kind, tuple[tuple[str, ...], Callable[[ast.stmt], bool]]] = {
    "rules": (("rules", "decks/rules"), _is_rule),
    "tasks": (("tasks", "decks/tasks"), _has("sample", "loss")),
    "cells": (_CELLS, _has("init", "initial_state", "step", "readout")),
    "weights": (("cells",), _draws_weights),
}


def _entry(node: ast.stmt, module: str) -> Entry:
    if isinstance(node, ast.ClassDef):
        return Entry(node.name, module, dict(_fields(node)), is_class=True)
    return Entry(node.name, module, {}, is_class=False)  # type: ignore[attr-defined]


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            value = inner.value
            declared = isinstance(value, ast.Call) and ast.unparse(value.func).startswith("fields.")
            defaults = [k.arg for k in value.keywords] if isinstance(value, ast.Call) else []
            yield inner.target.id, value is None or (declared and "default" not in defaults)


def experiment_folders() -> tuple[Path, ...]:
    """Where experiments are looked up by name, first match wins.

    The working directory's ``experiments``, then the one beside the package's checkout, then the
    one inside an installed package.
    """
    return (
        Path("experiments"),
        PACKAGE.parent / "experiments",
        PACKAGE / "experiments",
    )


def experiment_files() -> dict[str, Path]:
    """Every experiment that can be named, with its file, in order of name."""
    found: dict[str, Path] = {}
    for folder in reversed(experiment_folders()):
        found |= _modules_in(folder)
    return dict(sorted(found.items()))


def question(path: Path) -> str:
    """The first line of an experiment's docstring, read without importing it."""
    try:
        text = _docstring(path)
    except (SyntaxError, ValueError, OSError) as error:
        return f"(cannot be read: {type(error).__name__})"
    return text.partition("\n")[0] if text else "(no docstring)"


def described(path: Path) -> dict[str, str]:
    """What an experiment's docstring says under "Command:", "Run time:" and so on, one line each.

    Raises:
        OSError, SyntaxError: the file cannot be read.
    """
    found: dict[str, str] = {}
    name = ""
    for line in _docstring(path).splitlines():
        start = re.match(r"([A-Z][a-z ]+):\s+(.*)", line)
        if start:
            name, found[start[1]] = start[1], start[2]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _docstring(path: Path) -> str:
    return ast.get_docstring(lazy.syntax_tree(path.read_bytes())) or ""


def _modules_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.py") if not path.stem.startswith("_")}
