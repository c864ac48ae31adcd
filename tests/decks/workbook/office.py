"""Computing spreadsheets with LibreOffice, which has to be installed for that."""

import shutil
import subprocess
import zipfile
from xml.etree import ElementTree

import pytest

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def computed(paths, folder):
    """Return the workbooks as LibreOffice computes them, {name: {sheet: {address: value}}}."""
    out = converted(paths, folder, "xlsx")
    return {path.stem: values(out / path.name) for path in paths}


def converted(paths, folder, ending):
    """Convert workbooks by LibreOffice, and return the folder of what it wrote."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("soffice (LibreOffice) is not installed: the formulas cannot be computed")
    profile, out = (folder / "profile").as_uri(), folder / "computed"
    command = [program, f"-env:UserInstallation={profile}", "--headless", "--convert-to", ending]
    done = subprocess.run(
        [*command, "--outdir", str(out), *map(str, paths)],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def values(path):
    """Return {sheet: {address: value}} of what a file stores, formulas by their stored value."""
    with zipfile.ZipFile(path) as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist()
                 if name.startswith("xl/") and name.endswith((".xml", ".rels"))}  # fmt: skip
    strings = [
        "".join(text.text or "" for text in one.iter(f"{MAIN}t"))
        for one in parts.get("xl/sharedStrings.xml", ())
    ]
    files = {one.get("Id"): one.get("Target") for one in parts["xl/_rels/workbook.xml.rels"]}
    return {
        sheet.get("name"): {
            cell.get("r"): value(cell.get("t", "n"), text.text, strings)
            for cell in parts[f"xl/{files[sheet.get(RELATION)]}"].iter(f"{MAIN}c")
            if (text := cell.find(f"{MAIN}v")) is not None
        }
        for sheet in parts["xl/workbook.xml"].iter(f"{MAIN}sheet")
    }


def value(kind, text, strings):
    """The value of one cell; an error is its name, as in #DIV/0!."""
    if kind == "n":
        return float(text) if set(text) & set(".eE") else int(text)
    return strings[int(text)] if kind == "s" else text == "1" if kind == "b" else text
