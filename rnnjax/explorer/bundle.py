"""One HTML file out of a page, its style and its modules, which asks for nothing else.

Modules stand in one script, each after those that it imports, without the words `import` and
`export`; names at their top level are therefore one space, in which a name may stand once.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from rnnjax.errors import SetupError

PAGE = Path(__file__).parent / "page"
_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.{1,2}/[^"]+)";\n?', re.MULTILINE)
_DECLARED = re.compile(
    r"^(export\s+)?(?:async\s+)?(?:function\s*\*?|const|let|class)\s+([\w$]+)", re.MULTILINE
)
_EXPORT = re.compile(r"^export\s+(?=async|function|const|let|class)", re.MULTILINE)
_PLACE = re.compile(r"\{(title|style|data|script)\}")


def bundle(entry: str, title: str, data: Any = None, *, folder: Path = PAGE) -> str:
    """Return the text of one HTML file; the same inputs give the same text.

    Args:
        entry: the module that starts the page, relative to the folder, as "main.js".
        title: the page's title.
        data: JSON for ``<script type="application/json" id="data">``; None for none.
        folder: what holds index.html, style.css and the modules.

    Raises:
        SetupError: modules import one another in a circle or something that is not there, or two
            of them declare the same name.
    """
    modules = dict(_in_order(entry, folder, ()))
    _check_names(modules)
    script = "\n".join(f"// {name}\n{_plain(text)}" for name, text in modules.items())
    parts = {
        "title": _escaped(title),
        "style": _text(folder, "style.css").strip(),
        "data": "" if data is None else _embedded(data),
        "script": _inside_script(script).strip(),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _text(folder, "index.html"))


def _in_order(
    name: str, folder: Path, importers: tuple[str, ...], seen: set[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of a module and of all that it imports, these first, each once."""
    seen = set() if seen is None else seen
    if name in importers:
        raise SetupError(name, f"imported in a circle, {' -> '.join((*importers, name))}")
    if name in seen:
        return
    text = _text(folder, name)
    for names, source in _IMPORT.findall(text):
        target = _resolved(name, source)
        yield from _in_order(target, folder, (*importers, name), seen)
        missing = {*_listed(names)} - {*_exported(_text(folder, target))}
        if missing:
            raise SetupError(name, f"{target} exports no {', '.join(sorted(missing))}")
    seen.add(name)
    yield name, text


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise SetupError(name, f"cannot be read ({error.strerror})") from error


def _resolved(importer: str, source: str) -> str:
    """Return the path of an imported module relative to the folder."""
    parts: list[str] = []
    for part in (PurePosixPath(importer).parent / source).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _listed(names: str) -> list[str]:
    found = [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        if not re.fullmatch(r"[\w$]+", name):
            raise SetupError("import", f"expected a name, got {name!r}")
    return found


def _exported(text: str) -> list[str]:
    return [name for export, name in _DECLARED.findall(text) if export]


def _check_names(modules: dict[str, str]) -> None:
    owners: dict[str, str] = {}
    for module, text in modules.items():
        for _, name in _DECLARED.findall(text):
            owner = owners.setdefault(name, module)
            if owner != module:
                raise SetupError(name, f"declared in {owner} and in {module}")


def _plain(text: str) -> str:
    """Return a module without its imports and without the word export."""
    text = _EXPORT.sub("", _IMPORT.sub("", text))
    left = re.search(r"^(?:import\b|export\b|(?:const|let|var)\s*[\[{]).*", text, re.MULTILINE)
    if left:
        raise SetupError("module", f"expected imports and declarations by name, got {left[0]!r}")
    return text.strip() + "\n"


def _inside_script(text: str) -> str:
    """Return code that cannot end its element: the backslash means nothing in a string."""
    return re.sub(r"<(?=/script|!--)", r"<\\", text, flags=re.IGNORECASE)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _embedded(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    inside = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="data">{inside}</script>'
