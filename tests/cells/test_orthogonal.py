"""The orthogonal RNN by the exponential map: exponents of 0 that training does not change."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.cells.orthogonal_rnn import OrthogonalRNN, cayley, henaff
from rnnjax.losses import squared_error
from rnnjax.matrices.skew import exp_of_skew
from tests.cells.test_structured import BATCH, N, check_float32

CELL = OrthogonalRNN(2, N, 2)
RNG = np.random.default_rng(8)


def test_a_linear_orthogonal_network_has_exponents_zero():
    """Over 10^4 steps; modReLU is linear at b = 0, and shuts no unit where b > 0."""
    cell = CELL
    x = jnp.asarray(RNG.standard_normal((10_000, 2)))
    batch = rnnjax.Batch(x, x, jnp.ones(10_000))
    run = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch)["exponents"])
    params = cell.init(jax.random.key(0))._replace(P=jnp.asarray(RNG.standard_normal((N, N))))
    assert np.max(np.abs(np.asarray(cell.recurrence(params)) - np.eye(N))) > 0.5
    for b in (0.0, 0.3):
        found = run(params._replace(b=jnp.full(N, b)))
        np.testing.assert_allclose(found, 0, atol=1e-12)


def test_recurrent_weights_stay_orthogonal_while_they_are_trained():
    cell = CELL
    rule, optimiser = rules.BPTT(), optax.adam(0.1)

    @jax.jit
    def train(params):
        def update(carry, _):
            params, state = carry
            gradient = scaled.plain(rule(cell, squared_error, params, BATCH).grads)
            changes, state = optimiser.update(gradient, state)
            return (optax.apply_updates(params, changes), state), cell.recurrence(params)

        return jax.lax.scan(update, (params, optimiser.init(params)), None, length=60)

    (params, _), W = train(cell.init(jax.random.key(0)))
    assert np.max(np.abs(W[-1] - W[0])) > 0.5
    for V in (*np.asarray(W[::10]), np.asarray(cell.recurrence(params))):
        np.testing.assert_allclose(V.T @ V, np.eye(N), rtol=0, atol=1e-14)
        np.testing.assert_allclose(np.linalg.det(V), 1, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("n", "size"), [(1, 1.0), (2, 0.0), (5, 0.3), (6, 3.0), (6, 30.0)])
def test_the_exponential_of_a_skew_matrix(n, size):
    """Orthogonal to 1e-14 at any size; value and derivative against SciPy."""
    P, E = np.triu(np.random.default_rng(n).standard_normal((2, n, n)), 1)
    A, E = size * (P - P.T), E - E.T
    both = jax.jit(lambda A, E: jax.jvp(exp_of_skew, (A,), (E,)))
    W, derivative = both(jnp.asarray(A), jnp.asarray(E))
    np.testing.assert_allclose(W.T @ W, np.eye(n), rtol=0, atol=1e-14)
    tolerance = 1e-14 * max(1, np.linalg.norm(A, 2))
    value, expected = scipy.linalg.expm_frechet(A, E)
    np.testing.assert_allclose(W, value, rtol=0, atol=tolerance)
    np.testing.assert_allclose(derivative, expected, rtol=0, atol=20 * tolerance)


def test_the_starts_of_an_orthogonal_network_turn_planes():
    for start, low, high in ((henaff, -math.pi, math.pi), (cayley, -1.0, 0.0)):
        P = np.asarray(start(jax.random.key(0), 401))
        even = 2 * np.arange(200)
        angles = P[even, even + 1]
        assert np.count_nonzero(P) == 200
        assert np.all((angles >= low) & (angles <= high))
        assert angles.min() < low + 0.1 * (high - low) and angles.max() > high - 0.1 * (high - low)
    W = np.asarray(OrthogonalRNN(1, 2).recurrence(OrthogonalRNN(1, 2).init(jax.random.key(1))))
    assert W[0, 0] == W[1, 1] and W[0, 1] == -W[1, 0]


def test_a_negative_bias_shuts_units_of_an_orthogonal_network():
    cell = CELL
    params = cell.init(jax.random.key(0))
    z = jnp.array([0.4, -0.2, 0.1, -0.9])
    W = np.asarray(cell.recurrence(params))
    params = params._replace(b=jnp.full(N, -0.3))
    h = jnp.asarray(W.T @ z)
    step = jax.jit(lambda h: cell.advance(params, h, jnp.zeros(N)))
    np.testing.assert_allclose(step(h), [0.1, 0, 0, -0.6], rtol=0, atol=1e-15)
    J = jax.jacobian(step)(h)
    np.testing.assert_allclose(J, np.diag([1.0, 0, 0, 1]) @ W, rtol=0, atol=1e-15)


def test_float32_weights_are_orthogonal_to_float32():
    cell = CELL
    params = cell.init(jax.random.key(0))
    check_float32(cell, params, jnp.linspace(-1, 1, N), rtol=0, atol=2e-6)
