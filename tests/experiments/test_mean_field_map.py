"""The map of noise and gain in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax import theory
from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "mean_field_map"
_MODULE = load(NAME).measure.__globals__


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_every_claim_holds(cube):
    assert cube["largest_exponent"].dims == ("activation", "noise", "gain", "seed")
    assert len(verdicts(NAME, cube)) == 4
    assert not failed(NAME, cube)


@pytest.mark.parametrize(
    ("variable", "change"),
    [("largest_exponent", lambda v: v + 0.05), ("variance", lambda v: 1.1 * v)],
)
def test_claims_fail_on_cubes_that_are_wrong(cube, variable, change):
    wrong = cube.copy(deep=True)
    wrong[variable] = change(wrong[variable])
    assert failed(NAME, wrong)


def test_the_expected_critical_gain_is_that_of_theory():
    fields = theory.mean_field
    expected = fields.critical_gain(np.tanh, fields.tanh_slope, 0.1)
    assert _MODULE["_theory_crossing"]("tanh", 0.1**0.5, 1.0, 2.0) == pytest.approx(expected)
    assert _MODULE["_theory_crossing"]("tanh", 0.1**0.5, 1.0, 1.2) is None


def test_a_crossing_is_where_a_straight_line_says():
    assert _MODULE["_crossing"](np.array([1.0, 2.0, 3.0]), np.array([-2, -1, 3])) == 2.25
    assert np.isnan(_MODULE["_crossing"](np.array([1.0, 2.0]), np.array([-2, -1])))
