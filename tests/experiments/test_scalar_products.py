"""Products of scalars in quick mode, and their claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "scalar_products"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_every_claim_holds(cube):
    assert cube["mean_log"].dims == ("deviation", "seed")
    assert len(verdicts(NAME, cube)) == 4
    assert not failed(NAME, cube)


def test_chains_differ_by_their_deviation_alone(cube):
    """Every deviation has the same draws, times a factor."""
    for name in ("mean_log", "log_mean_square"):
        drawn = cube[name] - np.log(cube["deviation"])
        np.testing.assert_allclose(drawn, drawn.isel(deviation=[0] * 3), atol=1e-6)
    share = cube["share_decayed"]
    assert bool((share.diff("deviation") <= 0).all()) and float(share[-1].max()) < 1


@pytest.mark.parametrize(
    ("claim", "name", "amount"),
    [
        ("scalar chains: rate minus", "mean_log", 0.05),
        ("scalar chains: variance", "variance_log", 0.1),
        ("scalar chains: rate of the root", "log_mean_square", 0.2),
        ("s between 1 and 1.887", "mean_log", 0.5),
    ],
)
def test_each_claim_can_fail(cube, claim, name, amount):
    spoilt = cube.assign({name: cube[name] + amount})
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


def test_claims_and_figure_stand_on_other_axes(cube):
    """One deviation, outside of the bounds between which a chain deceives."""
    some = cube.sel(deviation=[2.0]).isel(seed=[0])
    assert len(verdicts(NAME, some)) == 3
    load(NAME).figure(some)
