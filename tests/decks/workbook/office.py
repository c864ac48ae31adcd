"""Computing spreadsheets with LibreOffice, which has to be installed for that."""

import shutil
import subprocess

import openpyxl
import pytest


def computed(paths, folder):
    """Return the workbooks as LibreOffice computes them, {name: {sheet: {address: value}}}."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("soffice (LibreOffice) is not installed: the formulas cannot be computed")
    profile = (folder / "profile").as_uri()
    command = [program, f"-env:UserInstallation={profile}", "--headless", "--convert-to", "xlsx"]
    done = subprocess.run(
        [*command, "--outdir", str(folder / "computed"), *map(str, paths)],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: values(folder / "computed" / path.name) for path in paths}


def values(path):
    """Return {sheet: {address: value}} of what a file stores, formulas by their stored value."""
    book = openpyxl.load_workbook(path, data_only=True)
    return {
        sheet.title: {
            cell.coordinate: cell.value for row in sheet for cell in row if cell.value is not None
        }
        for sheet in book
    }
