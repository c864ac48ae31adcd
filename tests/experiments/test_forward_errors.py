"""Forward propagation of errors in quick mode, and its claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from tests.experiments.quick import failed, quick_cube, verdicts

NAME = "forward_errors"
EXPERIMENT = load(NAME)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims(cube):
    axes = ("arithmetic", "length", "input_scale", "gain", "seed")
    assert cube["cosine"].dims == (*axes, "due")
    assert cube["log_error"].dims == (*axes, "due", "part")
    assert cube["log_growth"].dims == (*axes, "part")
    assert cube["growth_rate"].dims == axes


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 11
    assert not failed(NAME, cube)


def test_what_is_lost_has_a_status_and_is_no_number(cube):
    """0.3^99 is below the range of float32: no gradient, no cosine, and the cube says so."""
    lost = cube.sel(arithmetic="float32", gain=0.3, due="last step")
    assert set(lost["cosine_status"].values.ravel()) == {3}
    assert np.isnan(lost["cosine"]).all()
    kept = cube.sel(arithmetic="float32_scale_free", gain=0.3, due="last step")
    assert set(kept["cosine_status"].values.ravel()) == {1}
    assert set(np.unique(cube["all_digits_step_status"])) == {1, 6}


def changed(name, change, **where):
    """Change a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = change(spoilt.loc[where])
        return cube.assign({name: spoilt})

    return spoil


PLAIN = {"arithmetic": "float32", "gain": 0.3, "input_scale": 1e-6}
FREE = {**PLAIN, "arithmetic": "float32_scale_free"}


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("plain: slope", changed("error_slope", lambda a: 1.03 * a, **PLAIN)),
        ("plain: slope", changed("error_slope", lambda a: np.nan * a, **PLAIN)),
        ("scale-free: slope", changed("error_slope", lambda a: 0.97 * a, **FREE)),
        ("growth of u", changed("growth_rate", lambda a: a + 0.5)),
        ("step with no digit left over", changed("all_digits_step", lambda a: 1.2 * a)),
        ("float32, loss at T", changed("cosine", lambda a: np.nan * a, **{**PLAIN, "gain": 0.7})),
        ("float32, loss at T", changed("cosine", lambda a: a.fillna(1.0), **PLAIN)),
        ("scale-free, loss at T", changed("cosine", lambda a: 0.99 * a, **FREE)),
        ("scale-free: least share", changed("share_finite", lambda a: 0.9 * a, **FREE)),
        (
            "step with no digit left, scale",
            changed("all_digits_step", lambda a: 1.2 * a, arithmetic="float32_scale_free"),
        ),
        ("scale-free, no digit", changed("cosine", lambda a: 0 * a + 0.5, due="every step")),
        ("BPTT in the same", changed("cosine_bptt", lambda a: 0.99 * a, **PLAIN)),
        ("g = 1", changed("cosine", lambda a: 0.99 * a, gain=1.0, input_scale=1e-6)),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_a_cube_of_nan_fails_every_claim(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    assert not [name for name, passed in verdicts(NAME, nothing).items() if passed]


def test_claims_and_figure_stand_on_other_axes(cube):
    """One plain arithmetic, inputs that are not small, and no recurrent strength of 1."""
    some = cube.sel(arithmetic=["float32"], input_scale=[0.1], gain=[0.7])
    assert len(verdicts(NAME, some)) == 3 and not failed(NAME, some)
    EXPERIMENT.figure(some)
    assert not any("linear" in name or "slope" in name for name in verdicts(NAME, some))
    expanding = cube.sel(gain=[1.0]).assign_coords(gain=[1.1])
    assert not any("linear" in name or "slope" in name for name in verdicts(NAME, expanding))
    EXPERIMENT.figure(expanding)
