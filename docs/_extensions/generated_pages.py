"""Writes what is generated: scripts of the gallery, reference, table of commands, workbook."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gallery_scripts
import reference_pages
from committed_results import THEMES, found

DOCS = Path(__file__).resolve().parents[1]


def commands_table() -> str:
    """Return every experiment with its question and command, in Markdown, by theme."""
    lines: list[str] = []
    for theme, (title, _, _) in THEMES.items():
        rows = [result for result in found() if result.theme == theme]
        lines += [f"## {title}", "", "| question | command |", "|---|---|"]
        lines += [f"| {{ref}}`{r.question} <result_{r.name}>` | `{r.command}` |" for r in rows]
        lines.append("")
    return "\n".join(lines)


def write(app: Any, config: Any) -> None:
    """Write all of them before Sphinx looks for sources."""
    gallery_scripts.write()
    pages = {DOCS / "_generated" / "commands.md": commands_table()}
    for name, text in reference_pages.pages().items():
        pages[DOCS / "reference" / "generated" / f"{name}.rst"] = text
    for path in set((DOCS / "reference" / "generated").glob("*.rst")) - pages.keys():
        path.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def write_workbook(app: Any, config: Any) -> None:
    """Write the spreadsheet that the site offers."""
    path = DOCS / "_generated" / "downloads" / "rnn.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "rnnjax.cli", "workbook", str(path), "--replace"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def setup(app: Any) -> dict[str, bool]:
    """Connect before sphinx-gallery and autosummary look for their files."""
    app.connect("config-inited", write, priority=1)
    app.connect("config-inited", write_workbook)
    return {"parallel_read_safe": True}
