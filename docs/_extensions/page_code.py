"""Runs the code of a page, and compares what it prints with what the page shows.

    python docs/_extensions/page_code.py                     run all pages that changed, and compare
    python docs/_extensions/page_code.py PAGE ...            run these pages, and compare
    python docs/_extensions/page_code.py --write PAGE ...    write what is printed into the pages

A page is run from top to bottom in one namespace, in an empty folder. Blocks of ``python`` are run;
a block of ``text`` shows what the block of Python before it prints. Blocks of ``toml`` whose first
line is ``# FILE`` are written to that file first. Code that is only shown is a
``{code-block} python``. Numbers may differ by five per cent, or by three of their last digit,
as they do between instruction sets.
"""

import contextlib
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
SEEN = DOCS / "_build" / "pages"
BLOCK = re.compile(r"^```(python|text|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def printed(text: str, name: str) -> Iterator[tuple[re.Match, str]]:
    """Run a page; yield each block of text with what the code before it printed.

    Args:
        text: the page.
        name: of the page, for tracebacks.
    """
    names: dict = {"__name__": "__main__"}
    stream = io.StringIO()
    for block in BLOCK.finditer(text):
        language, code = block.groups()
        if language == "text":
            yield block, stream.getvalue()
        elif language == "toml":
            file = re.match(r"# (\S+\.toml)\n", code)
            if file:
                Path(file[1]).write_text(code)
        else:
            stream = io.StringIO()
            line = text.count("\n", 0, block.start(2))
            with contextlib.redirect_stdout(stream):
                exec(compile("\n" * line + code, name, "exec"), names)


def difference(shown: str, got: str) -> str:
    """Return in one line where two texts differ by more than numbers may, "" if nowhere."""
    pairs = zip(shown.rstrip().splitlines(), got.rstrip().splitlines(), strict=False)
    for a, b in pairs:
        if NUMBER.sub("#", a).split() != NUMBER.sub("#", b).split():
            return f"expected {a!r}, got {b!r}"
        for x, y in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
            if abs(float(x) - float(y)) > max(0.05 * abs(float(x)), 3 * _last_digit(x)):
                return f"expected {x} in {a!r}, got {y}"
    lengths = len(shown.rstrip().splitlines()), len(got.rstrip().splitlines())
    return "" if lengths[0] == lengths[1] else f"expected {lengths[0]} lines, got {lengths[1]}"


def _last_digit(number: str) -> float:
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def pages() -> list[Path]:
    """Return the pages that hold code to run."""
    apart = ("_build", "_extensions", "_generated", "gallery", "lecture", "notebooks", "reference")
    return [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if path.relative_to(DOCS).parts[0] not in apart and "\n```python\n" in path.read_text()
    ]


def changed(paths: list[Path]) -> dict[Path, Path]:
    """Return the pages that have not been run as they are with this code, each with its mark.

    A mark is an empty file whose name is the hash of the page and of the package.
    """
    package = hashlib.sha256()
    for source in sorted((DOCS.parent / "rnnjax").rglob("*.py")):
        package.update(source.read_bytes())
    marks = {}
    for path in paths:
        found = package.copy()
        found.update(path.read_bytes())
        marks[path] = SEEN / f"{path.stem}-{found.hexdigest()[:16]}"
    return {path: mark for path, mark in marks.items() if not mark.exists()}


def check(path: Path) -> list[str]:
    """Run a page and return what differs from what it shows."""
    with _empty_folder():
        return [
            f"{path.name}: {found}"
            for block, got in printed(path.read_text(), str(path))
            if (found := difference(block[2], got))
        ]


def rewrite(path: Path) -> None:
    """Run a page and put what is printed in place of what it shows."""
    text, out, last = path.read_text(), "", 0
    with _empty_folder():
        for block, got in printed(text, str(path)):
            out += f"{text[last : block.start(2)]}{got.rstrip()}\n"
            last = block.end(2)
    path.write_text(out + text[last:])


@contextlib.contextmanager
def _empty_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main(words: list[str]) -> int:
    """Check or rewrite pages; return the exit status."""
    named = [Path(word).resolve() for word in words if word != "--write"]
    marks = {} if named else changed(pages())
    failed = False
    for path in named or marks:
        if "--write" in words:
            rewrite(path)
            continue
        found = check(path)
        print(*found, sep="\n", end="\n" if found else "", flush=True)
        failed |= bool(found)
        if path in marks and not found:
            SEEN.mkdir(parents=True, exist_ok=True)
            marks[path].touch()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
