"""The wheel and the source distribution: all that the package needs, and nothing else."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import rnnjax

ROOT = Path(rnnjax.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = rnnjax.__version__
# What Python, tests and sweeps leave in a checkout.
LEFT = re.compile(r"(^|/)(__pycache__|node_modules|\.\w*cache)(/|$)|\.(nc|pyc|DS_Store)$")

KINDS = {".py", ".toml", ".css", ".js", ".html", ".mplstyle"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with both, built without the network and without an environment of its own."""
    pytest.importorskip("hatchling", reason="make installs the group build of pyproject.toml")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--directory", folder],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    """The contents of the wheel by their names."""
    with zipfile.ZipFile(built / f"rnnjax-{VERSION}-py3-none-any.whl") as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def sdist(built):
    """The names in the source distribution, below its folder."""
    with tarfile.open(built / f"rnnjax-{VERSION}.tar.gz") as file:
        return {member.name.partition("/")[2] for member in file.getmembers() if member.isfile()}


def files_of(folder):
    """The files of a package in the checkout, without what Python or an editor leaves there."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {path.as_posix() for path in found if not LEFT.search(path.as_posix())}


@pytest.mark.wide
def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel):
    expected = {f"rnnjax/{name}" for name in files_of(ROOT / "rnnjax")}
    expected |= {f"rnnjax/experiments/{name}" for name in files_of(ROOT / "experiments")}
    assert {name for name in wheel if ".dist-info/" not in name} == expected
    assert {f"rnnjax/{name}" for name in ("py.typed", "reports/page.css")} < expected
    assert {Path(name).suffix for name in expected - {"rnnjax/py.typed"}} <= KINDS
    assert sum(map(len, wheel.values())) < 5e6  # bytes


@pytest.mark.wide
def test_the_metadata_say_what_the_project_says(wheel):
    info = f"rnnjax-{VERSION}.dist-info"
    told = email.message_from_bytes(wheel[f"{info}/METADATA"])
    assert (told["Version"], told["License-Expression"]) == (VERSION, PROJECT["license"])
    assert sorted(told.get_all("Classifier")) == sorted(PROJECT["classifiers"])
    readme = told.get_payload(decode=True).decode()
    assert readme.strip() == (ROOT / "README.md").read_text().strip()
    needed = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(needed) == sorted(PROJECT["dependencies"])
    assert wheel[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"rnnjax = rnnjax.cli.__main__:process" in wheel[f"{info}/entry_points.txt"]


@pytest.mark.wide
def test_the_source_distribution_builds_the_wheel_and_holds_no_results_and_tests(sdist, wheel):
    packaged = [name for name in wheel if ".dist-info/" not in name]
    expected = {re.sub("^rnnjax/experiments/", "experiments/", name) for name in packaged}
    files = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert expected | files < sdist
    assert {name.partition("/")[0] for name in sdist - files} == {
        ".gitignore", "CONTRIBUTING.md", "docs", "examples", "experiments", "rnnjax",
    }  # fmt: skip
    assert not [name for name in sdist if LEFT.search(name)]


def test_the_citation_has_the_version_of_the_package():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == VERSION


def test_lower_bounds_are_given_for_all_that_is_needed_and_upper_ones_for_nothing():
    extras = PROJECT["optional-dependencies"]
    for line in PROJECT["dependencies"] + [line for name in extras for line in extras[name]]:
        if line.startswith("jax["):  # the bound is that of jax itself
            continue
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+", line), line
