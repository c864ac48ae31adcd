"""Computing spreadsheets with LibreOffice, which has to be installed for that."""

import shutil
import subprocess

import openpyxl
import pytest


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
    book = openpyxl.load_workbook(path, data_only=True)
    return {
        sheet.title: {
            cell.coordinate: cell.value for row in sheet for cell in row if cell.value is not None
        }
        for sheet in book
    }
