"""What is loaded on first use: names of a package, and modules of other libraries.

An `__init__.py` imports its names below ``if TYPE_CHECKING:``, where type checkers and editors find
them with their types. `package` reads the same statements, so that each name is written once:

    if TYPE_CHECKING:
        from rnnjax.cells.chain import Chain, ChainParams
    else:
        __getattr__, __dir__ = lazy.package(__name__)

A module that uses a library in some of its functions only imports it from here. What it gets stands
for the library, and loads it when an attribute is first read:

    from rnnjax.lazy import jax, jnp, xr
"""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import dask
    import distributed.cli.dask_scheduler as dask_scheduler
    import distributed.cli.dask_worker as dask_worker
    import distributed.scheduler
    import h5py
    import jax
    import jax.numpy as jnp
    import matplotlib.figure
    import matplotlib.lines
    import matplotlib.pyplot as plt
    import numpy as np
    import openpyxl.styles
    import optax
    import rich.console
    import rich.progress
    import xarray as xr
    import zarr
else:

    def __getattr__(name: str) -> ModuleType:
        source = None if name.startswith("__") else sources(__name__).get(name)
        if source is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals().setdefault(name, Module(source.module))


__all__ = [
    "dask",
    "dask_scheduler",
    "dask_worker",
    "distributed",
    "h5py",
    "jax",
    "jnp",
    "load",
    "matplotlib",
    "np",
    "openpyxl",
    "optax",
    "package",
    "plt",
    "rich",
    "syntax_tree",
    "xr",
    "zarr",
]

# `ast.PyCF_ONLY_AST`; the module `ast` takes longer to import than a file to parse.
_ONLY_AST = 0x400
_PARSING = Lock()


class Module(ModuleType):
    """Stands for a module, which is imported when one of its attributes is first read or set.

    Its submodules are imported in the same way: ``matplotlib.figure.Figure`` needs no other import.
    `sys.modules` holds the module itself only, so what is there tells what was loaded.
    """

    def __getattr__(self, name: str) -> Any:
        module = import_module(self.__name__)
        if hasattr(module, name) or name.startswith("__"):
            return getattr(module, name)
        submodule = f"{self.__name__}.{name}"
        try:
            return import_module(submodule)
        except ModuleNotFoundError as error:
            if error.name not in (submodule, self.__name__):
                raise
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(import_module(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(import_module(self.__name__), name)

    def __dir__(self) -> list[str]:
        return dir(import_module(self.__name__))

    def __reduce__(self) -> tuple[type["Module"], tuple[str]]:
        return type(self), (self.__name__,)

    def __repr__(self) -> str:
        return f"<module {self.__name__!r}, loaded on first use>"


def load(module: ModuleType) -> None:
    """Import a module that is loaded on first use, at once.

    Raises:
      ImportError: it is not installed.
    """
    import_module(module.__name__)


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

    def attribute(wanted: str) -> Any:
        # Python asks every package for dunder names that it may not have, such as `__path__`.
        source = None if wanted.startswith("__") else sources(name).get(wanted)
        if source is None:
            raise AttributeError(f"module {name!r} has no attribute {wanted!r}")
        value = _loaded(name, source)
        setattr(sys.modules[name], wanted, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[name]), *sources(name)})

    return attribute, names


def _loaded(package: str, source: Source) -> Any:
    module = import_module(source.module)
    if source.name is None:
        return module
    # As in a `from` import, a name that a module does not have is a submodule of it.
    if source.module != package and hasattr(module, source.name):
        return getattr(module, source.name)
    return import_module(f"{source.module}.{source.name}")


def syntax_tree(text: str | bytes, name: str = "<text>", mode: str = "exec") -> Any:
    """Parse a text, in one thread at a time.

    Threads that trace programs side by side parse names of rules. Python 3.11 counts the depth of
    a tree for all threads together, and raises SystemError where two are built at once.
    """
    with _PARSING:
        return compile(text, name, mode, _ONLY_AST)


@cache
def sources(module: str) -> dict[str, Source]:
    """Return the names that a module imports below ``if TYPE_CHECKING:``, and where they are from.

    Raises:
      ImportError: there is no source of the module.
    """
    spec = sys.modules[module].__spec__
    read = getattr(spec and spec.loader, "get_data", None)
    if spec is None or spec.origin is None or read is None:
        raise ImportError(f"expected the source of {module}, which says what it loads later")
    # Bytes, because a loader decodes text by `tokenize`, which takes longer to import than to use.
    text = read(spec.origin)
    tree = syntax_tree(text, module)
    return {bound: source for node in _for_checkers(tree.body) for bound, source in _bound(node)}


def _for_checkers(body: list[Any]) -> Iterator[Any]:
    for node in body:
        if type(node).__name__ == "If" and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from node.body


def _bound(node: Any) -> Iterator[tuple[str, Source]]:
    """The names that an import statement binds; ``import a.b`` binds ``a``."""
    for alias in getattr(node, "names", ()):
        if type(node).__name__ == "ImportFrom":
            yield alias.asname or alias.name, Source(node.module, alias.name)
        elif alias.asname:
            yield alias.asname, Source(alias.name, None)
        else:
            top = alias.name.partition(".")[0]
            yield top, Source(top, None)
