"""The gradient of one neuron in quick mode, and its claims against cubes that are wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.sweep.experiment import load
from tests.experiments.quick import assert_computed, quick_cube

EXPERIMENT = load("one_neuron_gradient")


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """The quick sweep, by the command line."""
    return quick_cube("one_neuron_gradient", tmp_path_factory.mktemp("sweep") / "out")


def verdicts(cube):
    return {claim.name: claim.passed for claim in EXPERIMENT.claims(cube)}


def test_dims_and_status(cube):
    assert cube["log_weight_gradient"].dims == ("activation", "w_n", "length")
    assert cube["clipped_norm"].dims == ("activation", "w_n")
    assert cube.sizes["length"] == 51
    assert_computed(cube, or_beyond=True)


def test_every_claim_holds(cube):
    assert len(verdicts(cube)) == 13
    assert all(verdicts(cube).values())


def test_one_length_gives_the_same_gradient_as_another_way(cube):
    """The last length of dE/dw_n, error by error, is a part of the gradient that is clipped."""
    by_length = cube["log_loss_gradient"].isel(length=-1)
    assert bool((by_length <= cube["log_norm"] + 1e-5).all())


def test_the_oldest_share_of_the_gradient_is_that_of_the_coefficients(cube):
    """Backward pass against running sum: with x = 1 they are the same numbers."""
    for name in ("identity", "tanh", "sigmoid"):
        cell = rnnjax.Chain(1, rnnjax.activation_named(name))

        def logs(w_n, cell=cell):
            params = rnnjax.cells.ChainParams(w_n, jnp.ones(1), jnp.ones(()))
            return decks.chain_coefficients(cell, params, jnp.ones(51))["log_coefficient"]

        found = np.asarray(jax.vmap(logs)(jnp.asarray(cube["w_n"].values)))
        sizes = np.exp(found - found.max(axis=1, keepdims=True))
        share = sizes[:, -10:].sum(axis=1) / sizes.sum(axis=1)
        oldest = cube["share_oldest"].sel(activation=name)
        np.testing.assert_allclose(oldest, share, rtol=1e-3, atol=1e-6)


def plus(name, amount, **where):
    """Add to a variable at a place."""

    def spoil(cube):
        spoilt = cube[name].copy()
        spoilt.loc[where] = spoilt.loc[where] + amount
        return spoilt

    return name, spoil


TANH_2 = {"activation": "tanh", "w_n": 2.0}
LINE = {"activation": "identity"}


@pytest.mark.parametrize(
    ("claim", "change"),
    [
        ("sigmoid: w3 f(4 w2", plus("example", 1e-5, activation="sigmoid", w_n=0.8)),
        ("worked example", plus("example_gradient", 1e-4, activation="relu", w_n=2.0, weight="w1")),
        ("RNN, two inputs", plus("n_weights", -1, w_n=0.8)),
        ("norm after clipping", plus("clipped_norm", 0.1, **TANH_2)),
        ("clipping moves", plus("clipped_share_oldest", 1e-3, **TANH_2)),
        ("identity: dy/dw_n by length", plus("log_weight_gradient", 1e-3, **LINE, length=7)),
        ("identity, w_n = 1: dy/dw_n", plus("log_weight_gradient", 1e-3, length=51)),
    ],
)
def test_each_claim_can_fail(cube, claim, change):
    name, spoil = change
    failed = [
        name for name, passed in verdicts(cube.assign({name: spoil(cube)})).items() if not passed
    ]
    assert any(name.startswith(claim) for name in failed)


def test_a_cube_of_nan_passes_nothing_that_was_measured(cube):
    real = [name for name in cube.data_vars if cube[name].dtype.kind == "f"]
    nothing = cube.assign({name: cube[name] * np.nan for name in real})
    held = [name for name, passed in verdicts(nothing).items() if passed]
    assert all("trained weights" in name for name in held)


def test_claims_and_figure_stand_on_other_axes(cube):
    """One activation and no weight that the slides speak of: what cannot be said is left out."""
    some = cube.isel(w_n=[0, 3, -1]).sel(activation=["tanh"])
    assert all(verdicts(some).values())
    assert len(verdicts(some)) < 8
    EXPERIMENT.figure(some)
