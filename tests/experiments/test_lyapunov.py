"""Lyapunov spectra in quick mode, and claims against cubes that are wrong or wide."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "lyapunov"
_MODULE = load(NAME).measure.__globals__


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims(cube):
    axes = ("activation", "gain", "seed")
    assert cube["spectrum"].dims == (*axes, "index")
    assert cube["exponent_by_size"].dims == (*axes, "size")
    assert cube["kaplan_yorke_dimension"].dims == cube["entropy_rate"].dims == axes


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 3
    assert not failed(NAME, cube)


def test_numbers_of_one_spectrum_agree(cube):
    spectrum = cube["spectrum"].values
    assert np.all(np.diff(spectrum, axis=-1) <= 0)
    np.testing.assert_array_equal(cube["largest_exponent"], spectrum[..., 0])
    positive = np.maximum(spectrum, 0).sum(-1)
    np.testing.assert_allclose(cube["entropy_rate"], positive, rtol=1e-5)


@pytest.mark.parametrize(
    ("variable", "change", "claim"),
    [("spectrum", 0.1, "sum of the exponents"), ("largest_exponent", 0.1, "g <= 0.8"),
     ("spectrum", -np.inf, "smooth activations")],
)  # fmt: skip
def test_claims_fail_on_cubes_that_are_wrong(cube, variable, change, claim):
    wrong = cube.copy(deep=True)
    wrong[variable] = wrong[variable] + change
    assert any(name.startswith(claim) for name in failed(NAME, wrong))


def test_wide_networks_are_held_against_theory_and_published_numbers(cube):
    """Numbers of the preprint pass, numbers a tenth off do not."""
    gains = list(_MODULE["_PUBLISHED"])
    n_h = 512
    wide = cube.isel(index=np.zeros(n_h, int), gain=[0, 0, 0], size=[0, 1, 2])
    wide = wide.assign_coords(gain=gains, size=[256, 512, 1024])
    wide.attrs["config"] = cube.attrs["config"].replace('"n_h": 12', f'"n_h": {n_h}')
    assert f'"n_h": {n_h}' in wide.attrs["config"]
    for off, n_failed in ((1.0, 0), (1.1, 6)):
        told = {}
        for gain, (dimension, entropy) in _MODULE["_PUBLISHED"].items():
            one = wide.sel(activation="tanh", gain=gain)
            one["kaplan_yorke_dimension"] = (
                0 * one["kaplan_yorke_dimension"] + dimension * n_h * off
            )
            one["entropy_rate"] = 0 * one["entropy_rate"] + entropy * n_h * off
            one["exponent_by_size"] = (
                0 * one["exponent_by_size"] + _MODULE["_theory"]("tanh", gain) + 2.0 / one["size"]
            )
            found = _MODULE["_against_theory"](one, gain)
            assert [c.passed for c in found] == [True, True]
            pairs = _MODULE["_against_published"](one, gain, (dimension, entropy), n_h)
            told |= {c.name: c.passed for c in pairs}
        assert sum(not passed for passed in told.values()) == n_failed
