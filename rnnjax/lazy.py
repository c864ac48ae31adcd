"""Names of a package that are loaded on first use, so that importing it costs nothing.

An `__init__.py` imports its names below ``if TYPE_CHECKING:``, where type checkers and editors find
them with their types. `package` reads the same statements, so that each name is written once:

    if TYPE_CHECKING:
        from rnnjax.cells.chain import Chain, ChainParams
    else:
        __getattr__, __dir__ = lazy.package(__name__)
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

# `ast.PyCF_ONLY_AST`; the module `ast` takes longer to import than a file to parse.
_ONLY_AST = 0x400


class Source(NamedTuple):
    """Where a name comes from.

    Attributes:
      module: the module that is imported.
      name: the name in it; None for the module itself.
    """

    module: str
    name: str | None


def package(name: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Construct `__getattr__` and `__dir__` of a package that loads its names on first use.

    Args:
      name: of the package. A name that it imports from itself is a submodule.
    """

    def load(attribute: str) -> Any:
        # Python asks every package for dunder names that it may not have, such as `__path__`.
        source = None if attribute.startswith("__") else sources(name).get(attribute)
        if source is None:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        value = _loaded(name, source)
        setattr(sys.modules[name], attribute, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[name]), *sources(name)})

    return load, names


def _loaded(package: str, source: Source) -> Any:
    if source.name is None:
        return import_module(source.module)
    module = import_module(source.module)
    # As in a `from` import, a name that a module does not have is a submodule of it.
    if source.module != package and hasattr(module, source.name):
        return getattr(module, source.name)
    return import_module(f"{source.module}.{source.name}")


@cache
def sources(module: str) -> dict[str, Source]:
    """Return the names that a module imports below ``if TYPE_CHECKING:``, and where they are from.

    Raises:
      ImportError: there is no source of the module.
    """
    spec = find_spec(module)
    text = getattr(spec and spec.loader, "get_source", lambda _: None)(module)
    if text is None:
        raise ImportError(f"expected the source of {module}, which says what it loads later")
    tree: Any = compile(text, module, "exec", _ONLY_AST)
    return {bound: source for node in _for_checkers(tree.body) for bound, source in _bound(node)}


def _for_checkers(body: list[Any]) -> Iterator[Any]:
    for node in body:
        if type(node).__name__ == "If" and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from node.body


def _bound(node: Any) -> Iterator[tuple[str, Source]]:
    for alias in getattr(node, "names", ()):
        if type(node).__name__ == "ImportFrom":
            yield alias.asname or alias.name, Source(node.module, alias.name)
        elif alias.asname:
            yield alias.asname, Source(alias.name, None)
