"""The gallery of cells in quick mode, and its claims against committed cubes that are spoilt."""

import numpy as np
import pytest
import xarray as xr

from rnnjax import catalog
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "cell_gallery"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


@pytest.fixture(scope="module")
def whole():
    """The committed cube of the standard sweep."""
    return xr.load_dataset("results/cell_gallery/cube.nc")


def at(whole, kind):
    """The place of the first cell of a class."""
    names = [str(cell).partition("(")[0] for cell in whole["cell"].values]
    return {"case": whole["case"].values[names.index(kind)]}


def test_dims_and_status(cube):
    assert cube["log_norm"].dims == ("case", "inputs", "level", "seed", "lag")
    assert_computed(cube, or_beyond=True)
    assert not failed(NAME, cube)


def test_the_gallery_shows_many_kinds(whole):
    shown = {str(cell).partition("(")[0] for cell in whole["cell"].values}
    assert len(shown) >= 23 and shown <= set(catalog.entries("cells"))


@pytest.mark.parametrize(
    ("claim", "kind", "name", "amount"),
    [
        ("cells that are linear in h: largest", "S6", "exponent", 2.0),
        ("the same: gradient", "DeltaNet", "log_norm", None),
        ("orthogonal, no bias", "OrthogonalRNN", "exponent", 1e-6),
        ("retention", "Retention", "log_norm", None),
        ("minGRU", "MinGRU", "exponent", 1.0),
    ],
)
def test_each_claim_can_fail(whole, claim, kind, name, amount):
    assert not failed(NAME, whole)
    where = at(whole, kind)
    if amount is None:
        spoilt = plus(name, 50.0, **where, lag=100)(whole)
    else:
        spoilt = plus(name, amount, **where)(whole)
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


def test_some_cells_alone_make_their_own_claims(whole):
    some = whole.isel(case=np.arange(3))
    load(NAME).figure(some)
    assert all("retention" not in name for name in verdicts(NAME, some))
