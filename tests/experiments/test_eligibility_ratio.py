import numpy as np
import pytest

from rnnjax.cli import main
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "eligibility_ratio"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 12
    assert not failed(NAME, cube)


def test_the_numbers_of_the_quadratic(cube):
    """First steps beyond float64, and updates to 1e-6, computed once by hand in NumPy."""
    at = cube.isel(arm=0, seed=0)
    lost = at["overflow_step"].sel(descent="literal")
    found = [float(lost.sel(step_size=a, method="nearest")) for a in (1.05, 1.2, 1.5, 1.9)]
    assert found == [272, 131, 86, 67]
    assert np.all(np.isinf(at["overflow_step"].sel(descent="plain")))
    steps = dict(zip(at["optimiser"].values, at["steps_to_goal"].values, strict=True))
    assert steps["momentum"] == 114 and steps["quickprop"] < 10


def test_arms_that_differ_end_apart_and_begin_as_one(cube):
    start = cube["error"].isel(cycle=0)
    np.testing.assert_array_equal(start, np.broadcast_to(start[:1], start.shape))
    assert len(np.unique(cube["end_error"].isel(seed=0))) == cube.sizes["arm"]


@pytest.mark.parametrize(
    ("claim", "name", "spoil"),
    [
        ("literal ratio: |rate", "quadratic_rate", lambda v: v * 1.001),
        ("literal ratio: least a", "quadratic_rate", lambda v: v.where(v < 10, 1.0)),
        ("plain descent: largest", "quadratic_rate", lambda v: v * 1.001),
        ("recursive multipliers", "recursive_multiplier", lambda v: v + 1e-6),
        ("updates to |x| <= 1e-6 at a = 0.05: aitken", "steps_to_goal", lambda v: v + 1),
        ("literal ratio over cycles", "end_error", lambda v: v.where(v["arm"] == "plain", 0)),
        ("share of negative", "multiplier_negative", lambda v: v * 0),
        ("literal multiplier over cycles", "multiplier_median", lambda v: v * 2),
    ],
)
def test_each_claim_can_fail(cube, claim, name, spoil):
    spoilt = cube.assign({name: spoil(cube[name]).transpose(*cube[name].dims)})
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))


def test_claims_about_long_training_can_fail(cube):
    config = cube.attrs["config"].replace('"n_cycles": 200', '"n_cycles": 1500')
    long = cube.assign(end_error=0 * cube["end_error"] + 1e-3).assign_attrs(config=config)
    assert len(verdicts(NAME, long)) == 14
    told = failed(NAME, long)
    assert any(name.startswith("share of runs that the literal") for name in told)
    slow = long["end_error"].where(long["arm"] != "faster", 1.0)
    assert any(name.startswith("1.75 x") for name in failed(NAME, long.assign(end_error=slow)))


def test_an_arm_that_does_not_exist_is_one_line(capsys):
    assert main(["plan", NAME, "--axes.arm", "each_weigth_safe"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "axes.arm" in told and "each_weight_safe" in told
