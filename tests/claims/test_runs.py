"""Claims on the runs of a cube: on the worst one, whatever the relation, and on the median."""

import numpy as np
import pytest
import xarray as xr

from rnnjax.claims import evaluate, every_run, median_run

CUBE = xr.Dataset(
    {"error": (("net", "seed"), [[1.0, 3.0], [2.0, -4.0]])},
    coords={"net": ["ann", "rnn"], "seed": [0, 1]},
)


@pytest.mark.parametrize(
    ("expected", "measured"),
    [({"equals": 2.5}, -4.0), ({"equals": -1.0}, 3.0), ({"at_most": 0.0}, 3.0),
     ({"at_least": 0.0}, -4.0), ({"equals": lambda cube: cube["seed"].max()}, -4.0)],
)  # fmt: skip
def test_the_worst_run_is_measured(expected, measured):
    (claim,) = evaluate([every_run("error", "error", tolerance=1.0, **expected)], CUBE)
    assert claim.measured == measured and claim.tolerance == 1.0 and not claim.passed


def test_values_may_be_a_function_of_the_selected_part():
    row = every_run("{net}", lambda one: 2 * one["error"], for_each="net", at_most=6)
    assert [(c.name, c.measured) for c in evaluate([row], CUBE)] == [("ann", 6.0), ("rnn", 4.0)]


@pytest.mark.parametrize("relation", ["equals", "at_most", "at_least"])
def test_one_nan_fails(relation):
    cube = CUBE.assign(error=CUBE["error"].where(CUBE["seed"] == 0))
    (claim,) = evaluate([every_run("error", "error", **{relation: 1.5}, tolerance=9)], cube)
    assert np.isnan(claim.measured) and not claim.passed


@pytest.mark.parametrize(
    ("runs", "expected", "measured"),
    [([np.inf, 3.0], np.inf, 3.0), ([-np.inf, np.inf], -np.inf, np.inf),
     ([np.inf, np.inf], np.inf, np.inf), ([np.inf, np.nan, 3.0], np.inf, np.nan)],
)  # fmt: skip
def test_an_infinity_that_is_expected_is_near(runs, expected, measured):
    cube = xr.Dataset({"w": ("seed", runs)})
    (claim,) = evaluate([every_run("w", "w", equals=expected)], cube)
    np.testing.assert_equal(claim.measured, measured)
    assert claim.passed == (measured == expected)


def test_one_relation_is_needed():
    with pytest.raises(ValueError, match="expected one of equals, at_most and at_least"):
        every_run("error", "error", equals=1, at_most=1)


def of_seed(seed):
    return lambda one: (one["seed"] == seed).broadcast_like(one["error"])


@pytest.mark.parametrize(
    ("construct", "measured"), [(every_run, [2.0, -4.0]), (median_run, [1.5, -0.5])]
)
def test_only_the_runs_that_count_are_measured(construct, measured):
    rows = [construct(f"of {seed}", "error", where=of_seed(seed), equals=0) for seed in (0, 1, 2)]
    # Where no run counts there is no claim.
    assert [claim.measured for claim in evaluate(rows, CUBE)] == measured


def test_one_nan_that_counts_makes_the_median_fail():
    cube = CUBE.assign(error=CUBE["error"].where(CUBE["seed"] == 0))
    rows = [median_run(f"w, {n}", "error", where=of_seed(n), equals=1.5) for n in (0, 1)]
    found = evaluate(rows, cube)
    np.testing.assert_equal([claim.measured for claim in found], [1.5, np.nan])
    assert [claim.passed for claim in found] == [True, False]
