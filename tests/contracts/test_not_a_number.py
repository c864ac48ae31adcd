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


def batch():
    x = jax.random.normal(KEY, (T, 2))
    return rnnjax.Batch(x.at[BAD].set(jnp.nan), x, jnp.ones(T))


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
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch()))(cell.init(KEY))
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
    run = jax.jit(lambda p: probes_found()[name](cell, squared_error, p, batch()))
    for key, value in run(cell.init(KEY)).items():
        for leaf in jax.tree.leaves(value):
            leaf = np.asarray(leaf)
            if key in MAY_BE_FINITE:
                continue
            of_readout = key in ("log_contribution_V", "log_contribution_c")
            all_steps = key.startswith("log_contribution") and not of_readout
            assert (np.all if all_steps else np.any)(np.isnan(leaf)), key
    lengths = probes.log_norm_by_length(cell, squared_error, cell.init(KEY), batch())
    assert np.all(np.isnan(lengths["log_norm_by_length"][BAD:]))
    assert np.all(np.isfinite(lengths["log_norm_by_length"][:BAD]))


def test_functions_of_spectra():
    exponents = jnp.array([0.1, jnp.nan, -1.0])
    assert np.isnan(analysis.kaplan_yorke_dimension(exponents))
    assert np.isnan(analysis.entropy_rate(exponents))
    assert np.isnan(matrices.participation_ratio(exponents))


@pytest.mark.wide
def test_every_function_of_matrices():
    A = jnp.eye(3).at[1, 2].set(jnp.nan)
    rows = Scaled(A, jnp.zeros(3, jnp.int32))
    calls = {
        "graded_qr": lambda: matrices.graded_qr(rows)[1],
        "log_singular_values": lambda: matrices.log_singular_values(rows),
        "log_spectral_radius": lambda: matrices.log_spectral_radius(A),
        "log_spectral_norm": lambda: matrices.log_spectral_norm(A),
        "solve": lambda: matrices.solve(A, jnp.ones(3)),
        "departure_from_normality": lambda: matrices.departure_from_normality(A, jnp.ones(3)),
        "numerical_abscissa": lambda: matrices.numerical_abscissa(A),
        "participation_ratio": lambda: matrices.participation_ratio(A[1]),
        "growth_of_directions": lambda: matrices.growth_of_directions(lambda t: A, 3, 2),
        "exponents_of_products": lambda: matrices.exponents_of_products(lambda t: A, 3, 2)[0],
        "log_eigenvalues": lambda: matrices.log_eigenvalues(A, 4),
        "norms_of_products": lambda: matrices.norms_of_products(lambda t: A, 3, 2)["log_norm"],
    }
    public = {n for n in matrices.__all__ if inspect.isfunction(getattr(matrices, n))}
    assert public == set(calls)
    assert all(np.any(np.isnan(call())) for call in calls.values())


@pytest.mark.wide
def test_comparisons_of_rules():
    good = scaled.normalise(jnp.array([[1.0, -2.0, 3.0]]), jnp.zeros(1, jnp.int32))
    bad = scaled.normalise(jnp.array([[1.0, jnp.nan, 3.0]]), jnp.zeros(1, jnp.int32))
    found = analysis.alignment_with(good, bad)
    for key in ("cosine", "mean_cosine", "sign_agreement", "log_bias"):
        assert np.isnan(found[key]), key
    assert found["reason"] == 3


@pytest.mark.wide
def test_random_chains():
    cell = rnnjax.Chain(activation=rnnjax.activations.relu)
    x = jax.random.normal(KEY, (5, 6)).at[0, 2].set(jnp.nan)
    found = decks.active_coefficients(cell, cell.init(KEY), x, [0.5])
    assert np.any(np.isnan(found["log_coefficient_random"]))
    assert np.isnan(found["growth_rate_random"])


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(2, CELLS, wide=2))
def test_losses_gradients_and_penalties(name):
    cell = CELLS[name]
    params = cell.init(KEY)
    out = rules.BPTT()(cell, squared_error, params, batch())
    assert np.isnan(out.loss) and np.isnan(scaled.log_norm(out.grads))
    for penalty in (penalties.Omega(), penalties.Omega(True), penalties.Flossing(1)):
        if name == "LRU" and isinstance(penalty, penalties.Omega):
            continue  # its Jacobian is the same at every state
        assert np.isnan(penalty(cell, squared_error, params, batch())), penalty


@pytest.mark.wide
def test_newtons_method_does_not_call_it_converged():
    cell = CELLS["tanh"]
    params = cell.init(KEY)
    solved = parallel.unroll(cell, params, batch().x)
    expected = rnnjax.unroll(cell, params, batch().x).plain
    np.testing.assert_allclose(solved.states, expected, rtol=1e-9)
    few = parallel.unroll(cell, params, jax.random.normal(KEY, (40, 2)), max_iterations=1)
    assert not few.converged
