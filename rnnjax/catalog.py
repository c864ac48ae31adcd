"""The names a config may use, found by reading files instead of importing them.

Validation has to know every activation, task and experiment, yet must not pay for importing jax.
The files themselves are the list: nothing is registered by hand.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@cache
def activation_names() -> tuple[str, ...]:
    """Names of the module-level ``name = Activation(...)`` in `rnnjax.activations`."""
    path = PACKAGE / "activations.py"
    if not path.is_file():
        return ()
    statements = ast.parse(path.read_text(encoding="utf-8")).body
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


def task_names() -> tuple[str, ...]:
    """Names of the files of tasks, one task a file: those of the field and those of the decks."""
    folders = (PACKAGE / "tasks", PACKAGE / "decks" / "tasks")
    return tuple(sorted(name for folder in folders for name in _modules_in(folder)))


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
    return ast.get_docstring(ast.parse(path.read_bytes())) or ""


def _modules_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob("*.py") if not path.stem.startswith("_")}
