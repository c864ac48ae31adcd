import numpy as np
import pytest

from rnnjax import sweep
from rnnjax.errors import ConfigError
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "delta_x"
SMALL = {
    "reading": ["none", "teacher_forcing"], "gain": 1.0, "seed": 0, "n_updates": 2, "n_h": 3,
    "n_sequences": 2, "config": "quick", "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 8
    assert not failed(NAME, cube)


def test_only_the_exact_reading_is_exact(cube):
    error = cube["relative_error"].sel(network="jordan")
    assert float(error.sel(reading="exact").max()) < 1e-12
    for reading in ("none", "stale", "one_step"):
        assert float(error.sel(reading=reading).min()) > 1e-6


def test_the_stale_reading_gains_with_every_cycle(cube):
    stale = cube["error_by_cycle"].sel(reading="stale").transpose("cycle", ...).values
    assert np.all(np.diff(stale[:5], axis=0) < 0)
    np.testing.assert_array_less(stale[4:], 1e-12)


def test_a_stronger_feedback_makes_the_delta_matter_more(cube):
    error = cube["relative_error"].sel(network="jordan", reading="none").median("seed")
    assert float(error.sel(gain=4.0)) > 2 * float(error.sel(gain=1.0))


@pytest.mark.parametrize(
    ("claim", "name", "spoil"),
    [
        ("di3 against", "sent_error", lambda v: v + 1e-9),
        ("loop gain over", "loop_gain_over_bound", lambda v: v + 1),
        ("true trace without", "trace_error", lambda v: v + 1e-9),
        ("true trace with decay 0.5", "trace_error", lambda v: v.where(v["decay"] != 0.5, 0)),
        ("into the error", "relative_error", lambda v: v + 1e-9),
        ("stale delta x after", "error_by_cycle", lambda v: v + 1e-9),
        ("stale delta x before", "error_by_cycle", lambda v: v * 0),
        ("stale in cycle 1", "error_by_cycle", lambda v: v.where(v["reading"] != "stale", 1)),
    ],
)
def test_each_claim_can_fail(cube, claim, name, spoil):
    spoilt = cube.assign({name: spoil(cube[name]).transpose(*cube[name].dims)})
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


@pytest.mark.wide
def test_cycles_are_those_of_the_jordan_network_whatever_networks_are_compared(cube):
    one = sweep.run(NAME, networks=[("adding",)], **SMALL).squeeze(["networks", "gain", "seed"])
    assert one["network"].values.tolist() == ["adding"]
    told = cube.sel(network="jordan", reading="none", gain=1.0, seed=0)
    found = one["error_by_cycle"].sel(reading="none")
    np.testing.assert_allclose(found, told["error_by_cycle"], rtol=1e-9)
    assert told["error_by_cycle"][0] == told["relative_error"]
    assert np.isnan(one["relative_error"].sel(reading="teacher_forcing")).all()
    assert not np.isnan(one["relative_error"].sel(reading="none")).any()


def test_a_network_comes_once():
    with pytest.raises(ConfigError, match=r"values of 'network' that differ, got 'adding' twice$"):
        sweep.run(NAME, networks=[("adding", "adding")], **SMALL)
