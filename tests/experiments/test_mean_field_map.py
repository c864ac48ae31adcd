"""The map of noise and gain in quick mode, and its claims against cubes that are wrong."""

import pytest

from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "mean_field_map"


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
