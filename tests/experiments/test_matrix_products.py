"""Products of random matrices in quick mode, and their claims against cubes that are wrong."""

import numpy as np
import pytest

from rnnjax.sweep.experiment import load
from rnnjax.theory import random_matrices
from tests.experiments.quick import assert_computed, failed, quick_cube, verdicts

NAME = "matrix_products"


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube(NAME, tmp_path_factory.mktemp("sweep") / "out")


def test_dims_and_status(cube):
    assert cube["exponents"].dims == ("weights", "gain", "seed", "index")
    assert cube["log_norm"].dims == ("weights", "gain", "seed", "factors", "n_factors")
    assert_computed(cube)


def test_every_claim_holds(cube):
    assert len(verdicts(NAME, cube)) == 13
    assert not failed(NAME, cube)


def test_moments_and_norms_belong_together(cube):
    """The largest squared singular value lies between m_2 / m_1 and their sum."""
    top = np.exp(2 * cube["log_norm"])
    assert bool((top >= cube["second_moment"] / cube["first_moment"] * (1 - 1e-4)).all())
    assert bool((top <= cube["first_moment"] * 24 * (1 + 1e-4)).all())


def plus(name, amount, weights="gaussian"):
    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[{"weights": weights}] = spoilt.loc[{"weights": weights}] + amount
        return cube.assign({name: spoilt})

    return spoil


@pytest.mark.parametrize(
    ("claim", "spoil"),
    [
        ("n = 12: largest", plus("exponents", 0.1)),
        ("n = 12: least", plus("exponents", 0.3)),
        ("n = 12: mean", plus("exponents", 0.06)),
        ("n = 12: all", plus("exponents", 0.3)),
        ("matrices of size 2", plus("first_exponent", 0.3)),
        ("exponents of products: distance", plus("exponents", 0.3)),
        ("ln |eigenvalues| of one W: distance", plus("log_eigenvalues", 0.3)),
        ("products: norm against", plus("log_norm", 0.4)),
        ("departure from normality", plus("departure", -0.2)),
        ("numerical abscissa", plus("abscissa", 0.6)),
        ("orthogonal: largest |exponent", plus("exponents", 1e-4, "orthogonal")),
        ("orthogonal: largest |ln of", plus("log_norm", 1e-3, "orthogonal")),
        ("orthogonal: departure", plus("departure", 0.01, "orthogonal")),
    ],
)
def test_each_claim_can_fail(cube, claim, spoil):
    assert any(name.startswith(claim) for name in failed(NAME, spoil(cube)))


def test_wide_matrices_are_held_to_the_limit(cube):
    """From n_norm = 400 on; made here of the limit itself, and spoilt by 5 %."""
    wide = cube.assign_attrs(config=cube.attrs["config"].replace('"n_norm": 24', '"n_norm": 400'))
    assert wide.attrs != cube.attrs
    L = cube["n_factors"].values
    norm = np.log([random_matrices.largest_singular_value(int(one)) for one in L])
    norm += [np.log1p(random_matrices.largest_singular_value_spread(int(one), 400)[0]) for one in L]
    exact = wide.assign(
        log_norm=0 * wide["log_norm"] + norm, second_moment=0 * wide["second_moment"] + L + 1
    )
    told = [name for name in verdicts(NAME, exact) if "L <= 5" in name]
    assert len(told) == 4 and not set(told) & set(failed(NAME, exact))
    for name in ("log_norm", "second_moment"):
        spoilt = exact.assign({name: exact[name] * 1.05 + 0.05})
        assert len(set(told) & set(failed(NAME, spoilt))) == 2


def test_claims_and_figure_stand_on_other_axes(cube):
    some = {"orthogonal": cube.sel(weights=["orthogonal"]),
            "gaussian": cube.sel(weights=["gaussian"]),
            # Twelve exponents scatter too much about the triangle law for both claims on it.
            "one seed": cube.sel(weights=["gaussian"]).isel(seed=[0])}  # fmt: skip
    assert {name: len(verdicts(NAME, one)) for name, one in some.items()} == {
        "orthogonal": 3, "gaussian": 10, "one seed": 8
    }  # fmt: skip
    for one in some.values():
        load(NAME).figure(one)
