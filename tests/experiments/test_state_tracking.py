"""State tracking in quick mode, and its claims against committed cubes that are spoilt."""

import pytest
import xarray as xr

from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, failed, plus, quick_cube, verdicts

NAME = "state_tracking"
POSITIVE, SIGNED = "DeltaNet(n_units=8)", "DeltaNet(n_units=8, negative=True)"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


@pytest.fixture(scope="module")
def whole():
    """The committed cube of the standard sweep."""
    return xr.load_dataset("results/state_tracking/cube.nc")


def test_dims_and_status(cube):
    assert cube["accuracy"].dims == ("task", "cell", "seed", "test_length")
    assert cube["log_norm"].dims == ("task", "cell", "seed", "trained", "lag")
    assert_computed(cube)
    # So little training is no test of what can be learned.
    assert list(verdicts(NAME, cube)) == ["linear cells: largest exponent after training, worst"]


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        (f"parity, {POSITIVE}", plus("accuracy", 0.1, task="parity", cell=POSITIVE)),
        (f"parity, {SIGNED}", plus("accuracy", -0.1, task="parity", cell=SIGNED, seed=1)),
        ("parity, LSTM", plus("accuracy", -0.1, task="parity", cell="LSTM(n_units=16)")),
        (f"modulo 3, {POSITIVE}", plus("accuracy", 0.1, task="modulo_3", cell=POSITIVE)),
        ("linear cells", plus("exponent", 0.1, cell=POSITIVE, trained=True)),
    ],
)
def test_each_claim_can_fail(whole, claim, spoil):
    assert not failed(NAME, whole)
    assert any(name.startswith(claim) for name in failed(NAME, spoil(whole)))


def test_one_task_alone_makes_its_own_claims(whole):
    names = verdicts(NAME, whole.sel(task=["modulo_3"]))
    assert names and all(name.startswith(("modulo 3", "linear cells")) for name in names)
    load(NAME).figure(whole.sel(task=["modulo_3"]))
