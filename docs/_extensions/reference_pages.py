"""Writes the pages of the reference from what the package makes public. Needs no Sphinx.

Public is what `rnnjax.__all__` names: functions, classes, and modules. Of a module it is what its
own ``__all__`` names, or else every name without a leading underscore that it defines. A module
that is named within a public module is public as well. A name that can be reached in two ways is
documented once, at the first page that has it; the page of `rnnjax` links to it.
"""

import ast
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import docstrings

_ALIASES = (types.GenericAlias, types.UnionType)


@dataclass
class Page:
    """One public module.

    Attributes:
      module: its dotted name.
      names: public name -> value, without the modules among them.
      inner: public modules named in it.
    """

    module: str
    names: dict[str, Any] = field(default_factory=dict)
    inner: list[str] = field(default_factory=list)


def public() -> dict[str, Page]:
    """Return every public module by its dotted name, in the order of the reference."""
    found: dict[str, Page] = {}
    waiting = ["rnnjax"]
    while waiting:
        page = _page(waiting.pop(0))
        found[page.module] = page
        waiting += [name for name in page.inner if name not in found and name not in waiting]
    return dict(sorted(found.items()))


def _page(module_name: str) -> Page:
    module, page = import_module(module_name), Page(module_name)
    for name in public_names(module):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            page.inner.append(value.__name__)
        else:
            page.names[name] = value
    return page


def public_names(module: types.ModuleType) -> list[str]:
    """Return the names that a module makes public."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name in _assigned(module)
        if not name.startswith("_") and name not in ("Array", "T", "P", "R", "Params")
    ]


def _assigned(module: types.ModuleType) -> Iterator[str]:
    """Names that the statements of a module define, in their order, without its imports."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def documented() -> dict[int, str]:
    """Return where each function and class is documented: its id -> its dotted public name."""
    places: dict[int, str] = {}
    pages = public()
    for page in sorted(pages.values(), key=lambda page: page.module == "rnnjax"):
        for name, value in page.names.items():
            if _has_docstring(value):
                places.setdefault(id(value), f"{page.module}.{name}")
    return places


def pages() -> dict[str, str]:
    """Return reStructuredText by the name of its page."""
    places = documented()
    found = public()
    texts = {page.module: "\n".join(_text(page, places)) + "\n" for page in found.values()}
    inner = {name for page in found.values() if page.module != "rnnjax" for name in page.inner}
    outer = [name for name in found if name not in inner]
    title = ("Modules", "=======", "", ".. toctree::", "   :maxdepth: 1", "")
    return texts | {"modules": "\n".join([*title, *(f"   {name}" for name in outer)]) + "\n"}


def _text(page: Page, places: dict[int, str]) -> Iterator[str]:
    yield from (page.module, "=" * len(page.module), "")
    yield from (f".. automodule:: {page.module}", "   :no-members:", "")
    here = {
        n: v for n, v in page.names.items() if places.get(id(v)) in (None, f"{page.module}.{n}")
    }
    elsewhere = {n: places[id(v)] for n, v in page.names.items() if n not in here}
    if elsewhere:
        yield from ("Also to be had here:", "")
        yield from (f"- ``{n}``: :py:obj:`{place}`" for n, place in elsewhere.items())
        yield ""
    if page.inner:
        yield from (f"Modules: {', '.join(f':py:mod:`{name}`' for name in page.inner)}.", "")
    if page.inner and page.module != "rnnjax":
        yield from (".. toctree::", "   :hidden:", "", *(f"   {n}" for n in page.inner), "")
    if here:
        yield from (".. list-table::", "   :widths: 30 70", "   :class: summary", "")
        for name, value in here.items():
            yield f"   * - :py:obj:`~{page.module}.{name}`"
            yield f"     - {_first_line(page.module, name, value)}"
        yield ""
    for module, names in _by_module(page.module, here).items():
        if module and module != page.module:
            yield from _equations(module)
        for name in names:
            yield from _entry(page.module, name, here[name])


def _first_line(module: str, name: str, value: Any) -> str:
    if not _has_docstring(value):
        return _words(module, name, value)
    text = inspect.getdoc(value) or ""
    return " ".join(docstrings.converted(re.split(r"\n\s*\n", text)[0].splitlines()))


def _by_module(page: str, names: dict[str, Any]) -> dict[str, list[str]]:
    """Group names by the module that defines them, in order of first appearance."""
    grouped: dict[str, list[str]] = {}
    for name, value in names.items():
        module = getattr(value, "__module__", "") if _has_docstring(value) else ""
        grouped.setdefault(module if module.startswith("rnnjax.") else "", []).append(name)
    return dict(sorted(grouped.items()))


def _equations(module: str) -> Iterator[str]:
    """The heading of a module that defines some of the names, with its docstring."""
    yield from (module, "-" * len(module), "")
    yield from (f".. automodule:: {module}", "   :no-members:", "   :no-index:", "")


def _entry(module: str, name: str, value: Any) -> Iterator[str]:
    path = f"{module}.{name}"
    if inspect.isclass(value) and _has_docstring(value):
        yield from (f".. autoclass:: {path}", "   :members:", "")
    elif callable(value) and _has_docstring(value):
        yield from (f".. autofunction:: {path}", "")
    else:
        yield from (f".. py:data:: {path}", "", f"   {_words(module, name, value)}", "")


def _has_docstring(value: Any) -> bool:
    """Whether a value is a class or a function of rnnjax that has a docstring."""
    if isinstance(value, _ALIASES) or not hasattr(value, "__qualname__"):
        return False
    return str(value.__module__).startswith("rnnjax") and bool(value.__doc__)


def _words(module: str, name: str, value: Any) -> str:
    """What a constant is: the comment beside or above its statement, else its value."""
    lines = inspect.getsource(import_module(module)).splitlines()
    pattern = re.compile(rf"{name}(:.*?)? = ")
    for number, line in enumerate(lines):
        if pattern.match(line):
            beside = re.search(r"  # (.*)", line)
            above = re.match(r"# (.*)", lines[number - 1])
            comment = (beside or above) and (beside or above)[1]  # type: ignore[index]
            return comment or _shown(value)
    return _shown(value)


def _shown(value: Any) -> str:
    if inspect.isclass(value):
        return f"The class ``{value.__module__}.{value.__qualname__}``."
    text = " ".join(repr(value).split())
    if " at 0x" in text or len(text) > 300:
        text = type(value).__name__
    return f"``{text}``"
