"""Lyapunov spectra in quick mode, and claims against cubes that are wrong or wide."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from rnnjax.theory import wide_networks
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "lyapunov"


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
    published, n_h = load(NAME).measure.__globals__["_PUBLISHED"], 512
    wide = cube.isel(index=np.zeros(n_h, int), gain=[0, 0, 0])
    wide = wide.assign_coords(gain=list(published), size=[256, 512, 1024])
    wide.attrs["config"] = cube.attrs["config"].replace('"n_h": 12', f'"n_h": {n_h}')
    assert f'"n_h": {n_h}' in wide.attrs["config"]
    theory = [wide_networks.largest_exponent("tanh", gain) for gain in published]
    dimension, entropy = np.transpose([*published.values()])
    for off, n_failed in ((1.0, 0), (1.1, 6)):
        by_gain = {
            "kaplan_yorke_dimension": wide["gain"].copy(data=dimension * n_h * off),
            "entropy_rate": wide["gain"].copy(data=entropy * n_h * off),
            "exponent_by_size": wide["gain"].copy(data=theory) + 2.0 / wide["size"],
        }
        made = wide.assign({name: 0 * wide[name] + value for name, value in by_gain.items()})
        told = {name: held for name, held in verdicts(NAME, made).items() if "tanh, g" in name}
        of_theory = [held for name, held in told.items() if "largest exponent" in name]
        assert of_theory == [True] * 6
        assert len(told) == 12 and sum(not held for held in told.values()) == n_failed
