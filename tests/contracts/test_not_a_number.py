"""NaN is told as NaN by every probe, decomposition and activation, and never as a number."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import analysis, decks, matrices, parallel, penalties, probes, rules, scaled
from rnnjax.losses import squared_error
from rnnjax.scaled import Scaled
from tests.crossed import one_in
from tests.discovery import activations_found, probes_found

KEY = jax.random.key(2)
T, BAD = 8, 3
CELLS = {
    "tanh": rnnjax.Vanilla(2, 3, 2),
    "relu": rnnjax.Vanilla(2, 3, 2, activation=rnnjax.activations.relu),
    "identity": rnnjax.Vanilla(2, 3, 2, activation=rnnjax.activations.identity),
    "LSTM": rnnjax.LSTM(2, 2, 2),
    "LRU": rnnjax.LRU(2, 3, 2),
}


X = np.random.default_rng(2).standard_normal((T, 2))
BATCH = rnnjax.Batch(np.where(np.arange(T)[:, None] == BAD, np.nan, X), X, np.ones(T))


@pytest.mark.parametrize("activation", activations_found(), ids=lambda a: a.name)
def test_an_activation_and_its_slopes(activation):
    x = jnp.array([jnp.nan])
    if activation.name == "identity":
        return  # its slope is 1 whatever the state
    given = [activation(x), activation.slope(x), activation.log_slope(x)]
    given += [rnnjax.activations.scaled_slope(activation, x)[0]]
    given += [rnnjax.activations.graded_slope(activation, x)[0]]
    assert all(np.all(np.isnan(value)) for value in given)


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(2, CELLS, wide=2))
def test_spectra(name):
    """The exponents of a trajectory that is none, also where no slope looks at the state."""
    cell = CELLS[name]
    run = jax.jit(lambda key: probes.lyapunov_spectrum(cell, None, cell.init(key), BATCH))
    found = run(KEY)
    assert np.all(np.isnan(found["exponents"]))
    assert found["first_non_finite_step"] == BAD + 1


# What tells of the steps before, of itself, or of the weights alone.
MAY_BE_FINITE = {
    "first_non_finite_step", "layer_of_exponent", "log_norm_by_length", "leading_direction",
    "exponents_error", "is_silent",
}  # fmt: skip


@pytest.mark.wide
@pytest.mark.parametrize("name", probes_found())
def test_a_probe(name):
    """A tanh network: what passes through the bad step is NaN."""
    cell = CELLS["tanh"]
    run = jax.jit(lambda key: probes_found()[name](cell, squared_error, cell.init(key), BATCH))
    for key, value in run(KEY).items():
        for leaf in jax.tree.leaves(value):
            leaf = np.asarray(leaf)
            if key == "log_norm_by_length":
                assert np.isnan(leaf).tolist() == [n >= BAD for n in range(T)]
            if key in MAY_BE_FINITE:
                continue
            of_readout = key in ("log_contribution_V", "log_contribution_c")
            all_steps = key.startswith("log_contribution") and not of_readout
            assert (np.all if all_steps else np.any)(np.isnan(leaf)), key


def test_functions_of_spectra():
    exponents = jnp.array([0.1, jnp.nan, -1.0])
    assert np.isnan(analysis.kaplan_yorke_dimension(exponents))
    assert np.isnan(analysis.entropy_rate(exponents))
    assert np.isnan(matrices.participation_ratio(exponents))


def in_rows(A):
    return Scaled(A, jnp.zeros(len(A), jnp.int32))


@pytest.mark.wide
def test_every_function_of_matrices():
    calls = {
        "graded_lu": lambda A: matrices.graded_lu(in_rows(A))[1],
        "graded_qr": lambda A: matrices.graded_qr(in_rows(A))[1],
        "log_singular_values": lambda A: matrices.log_singular_values(in_rows(A)),
        "log_spectral_radius": lambda A: matrices.log_spectral_radius(A),
        "log_spectral_norm": lambda A: matrices.log_spectral_norm(A),
        "solve": lambda A: matrices.solve(A, jnp.ones(3)),
        "departure_from_normality": lambda A: matrices.departure_from_normality(A, jnp.ones(3)),
        "numerical_abscissa": lambda A: matrices.numerical_abscissa(A),
        "participation_ratio": lambda A: matrices.participation_ratio(A[1]),
        "growth_of_directions": lambda A: matrices.growth_of_directions(lambda t: A, 3, 2),
        "exponents_of_products": lambda A: matrices.exponents_of_products(lambda t: A, 3, 2)[0],
        "log_eigenvalues": lambda A: matrices.log_eigenvalues(A, 4),
        "norms_of_products": lambda A: matrices.norms_of_products(lambda t: A, 3, 2)["log_norm"],
    }
    public = {n for n in matrices.__all__ if inspect.isfunction(getattr(matrices, n))}
    assert public == set(calls)
    run = jax.jit(lambda A: {name: call(A) for name, call in calls.items()})
    A = np.eye(3)
    A[1, 2] = np.nan
    for name, value in run(A).items():
        assert np.any(np.isnan(value)), name


@pytest.mark.wide
def test_comparisons_of_rules():
    @jax.jit
    def compared(good, bad):
        each = (scaled.normalise(g, jnp.zeros(1, jnp.int32)) for g in (good, bad))
        return analysis.alignment_with(*each)

    found = compared(np.array([[1.0, -2.0, 3.0]]), np.array([[1.0, np.nan, 3.0]]))
    for key in ("cosine", "mean_cosine", "sign_agreement", "log_bias"):
        assert np.isnan(found[key]), key
    assert found["reason"] == 3


@pytest.mark.wide
def test_random_chains():
    cell = rnnjax.Chain(activation=rnnjax.activations.relu)
    x = np.random.default_rng(2).standard_normal((5, 6))
    x[0, 2] = np.nan
    run = jax.jit(lambda key, x: decks.active_coefficients(cell, cell.init(key), x, [0.5]))
    found = run(KEY, x)
    assert np.any(np.isnan(found["log_coefficient_random"]))
    assert np.isnan(found["growth_rate_random"])


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(2, CELLS, wide=2))
def test_losses_gradients_and_penalties(name):
    cell = CELLS[name]
    measured = [penalties.Omega(), penalties.Omega(True), penalties.Flossing(1)]
    if name == "LRU":  # its Jacobian is the same at every state
        measured = measured[-1:]

    @jax.jit
    def run(key):
        params = cell.init(key)
        out = rules.BPTT()(cell, squared_error, params, BATCH)
        return [
            out.loss,
            scaled.log_norm(out.grads),
            *(penalty(cell, squared_error, params, BATCH) for penalty in measured),
        ]

    assert np.all(np.isnan(run(KEY)))


@pytest.mark.wide
def test_newtons_method_does_not_call_it_converged():
    cell = CELLS["tanh"]

    @jax.jit
    def run(key):
        params = cell.init(key)
        solved = parallel.unroll(cell, params, BATCH.x)
        few = parallel.unroll(cell, params, jax.random.normal(key, (40, 2)), max_iterations=1)
        return solved.states, rnnjax.unroll(cell, params, BATCH.x).plain, few.converged

    states, expected, converged = run(KEY)
    np.testing.assert_allclose(states, expected, rtol=1e-9)
    assert not converged
