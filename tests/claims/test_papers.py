"""The page of published figures, and that it is the one of the committed cubes."""

from pathlib import Path

import pytest
import xarray as xr

from rnnjax import catalog
from rnnjax.claims import Claim
from rnnjax.claims.papers import Reproduced, papers_page
from rnnjax.cli import main

ROOT = Path(__file__).parents[2]


def test_a_row_says_what_was_published_and_what_was_found():
    first = Claim("|a|", 1.0, 2.0, 0.5, "source", reproduces="Z")
    second = Claim("b", 2.1, 2.0, 0.5, "source", reproduces="A")
    found = [Reproduced(claim, "x", "a minute") for claim in (first, second)]
    rows = papers_page(found).splitlines()[-2:]
    assert rows[0].startswith("| A | b | = 2 +/- 0.5 | 2.1 | yes |")
    assert (
        rows[1]
        == "| Z | \\|a\\| | = 2 +/- 0.5 | 1 | **no** | `rnnjax check results/x` | a minute |"
    )


@pytest.mark.wide
def test_the_committed_page_is_that_of_the_committed_cubes(capsys):
    outs = sorted(path.parent for path in (ROOT / "results").glob("*/cube.nc"))
    assert main(["papers", *map(str, outs)]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "development" / "papers.md").read_text()


def test_a_cube_without_the_variables_of_its_experiment_is_told_in_one_line(tmp_path, capsys):
    """The claims of the other cubes stand all the same."""
    xr.Dataset({"a": ("g", [1.0])}, attrs={"experiment": "lyapunov"}).to_netcdf(
        tmp_path / "cube.nc", engine="h5netcdf"
    )
    assert main(["papers", str(tmp_path), str(ROOT / "results" / "forward_errors")]) == 1
    told = capsys.readouterr()
    assert told.out.count("`rnnjax check results/forward_errors`") == 2
    (line,) = told.err.splitlines()
    assert line.startswith("rnnjax: claims: ") and "lyapunov.py" in line


@pytest.mark.parametrize("name", catalog.experiment_files())
def test_the_docstring_of_an_experiment_is_read_by_paragraphs(name):
    told = catalog.described(catalog.experiment_files()[name])
    assert {"Command", "Run time", "Figure", "Source"} <= set(told)
    assert all(told.values())
