import numpy as np
import pytest

from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "rule_alignment"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 3
    assert not failed(NAME, cube)


def test_undefined_is_nan_with_a_reason_and_zero_is_said(cube):
    """A window of 3 has no gradient beyond lag 2: not a cosine of 0."""
    at = cube.sel(rule="BPTT(window=3)")
    assert np.all(np.isnan(at["cosine_by_lag"].sel(first_lag=3)))
    assert np.all(np.isneginf(at["log_norm_by_lag"].sel(first_lag=3)))
    assert not at["reason"].any() and not cube["silent"].any()


def test_a_truncated_gradient_is_the_exact_one_within_its_window(cube):
    for lag in (0, 1):
        cosine = cube["cosine_by_lag"].sel(rule="BPTT(window=3)", first_lag=lag)
        np.testing.assert_allclose(cosine, 1, atol=1e-6)


def test_directions_are_unit_vectors(cube):
    lengths = np.sqrt((cube["direction"] ** 2).sum("weight"))
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("claim", "name", "spoil"),
    [
        ("RFLO: 1 - cosine at lag 0", "cosine_by_lag", lambda v: 0.9 * v),
        ("BPTT, window 3: share of windows", "log_norm_by_lag", lambda v: v.fillna(0) * 0),
        ("undefined cosines without", "cosine", lambda v: v * np.nan),
    ],
)
def test_each_claim_can_fail(cube, claim, name, spoil):
    spoilt = cube.assign({name: spoil(cube[name]).transpose(*cube[name].dims)})
    assert any(told.startswith(claim) for told in failed(NAME, spoilt))
