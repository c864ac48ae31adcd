import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes


def linear(W, n_steps, every=1):
    cell = rnnjax.Vanilla(1, len(W), 1, activation=rnnjax.activation_named("identity"))

    @jax.jit
    def measure(W):
        params = cell.init(jax.random.key(0))._replace(W=W)
        zeros = jnp.zeros((n_steps, 1))
        batch = rnnjax.Batch(x=zeros, y=zeros, mask=zeros[:, 0] + 1)
        return probes.log_singular_values(cell, None, params, batch, every=every)

    return measure(jnp.asarray(W))["log_singular_values"]


def rotation(n, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def test_powers_of_a_symmetric_matrix_far_beyond_float64():
    """Singular values of W^k are |eigenvalue|^k: e^1386 beside e^-4605 at k = 2000."""
    eigenvalues = np.array([2.0, 1.0, 0.5, 0.1])
    Q = rotation(4, 0)
    got = linear(Q @ np.diag(eigenvalues) @ Q.T, 2000, every=500)
    expected = np.arange(500, 2001, 500)[:, None] * np.log(eigenvalues)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-6)


def test_growth_hidden_in_the_last_coordinate():
    """An upper triangle whose fastest direction comes last: where plain axes give parallel rows."""
    W = np.array([[0.5, 1.0], [0.0, 2.0]])
    got = linear(W, 12)
    product = np.eye(2)
    for k in range(12):
        product = product @ W
        np.testing.assert_allclose(got[k], np.log(np.linalg.svd(product)[1]), atol=1e-6)
    # det W = 1, so the two must cancel at any power.
    np.testing.assert_allclose(np.sum(linear(W, 600)[-1]), 0, atol=1e-9)


def test_every_reports_the_lags_it_says():
    W = 0.7 * rotation(3, 1)
    np.testing.assert_allclose(linear(W, 10, every=3), linear(W, 10)[2:9:3], rtol=1e-12)


def test_a_bad_distance_is_refused():
    with pytest.raises(ValueError, match="every: expected a number of lags between 1 and 5, got 6"):
        linear(np.eye(2), 5, every=6)


@pytest.mark.wide
def test_lost_rank_stays_lost():
    """A relu network keeps the rank of its fewest active units: the rest is 0 and not rounding."""
    cell = rnnjax.Vanilla(3, 8, 1, activation=rnnjax.activation_named("relu"))
    batch = rnnjax.tasks.WhiteNoise(length=6, n_x=3).sample(jax.random.key(0))

    @jax.jit
    def measure(key):
        params = cell.init(key)
        states = rnnjax.scaled.plain(rnnjax.unroll(cell, params, batch.x).states)
        values = probes.log_singular_values(cell, None, params, batch)["log_singular_values"]
        return params, states, values

    params, states, values = measure(jax.random.key(1))
    product = np.eye(8)
    for got, h in zip(values, np.asarray(states)[::-1], strict=True):
        product = product @ (np.asarray(params.W) * (h > 0)[:, None])
        rank = np.linalg.matrix_rank(product)
        np.testing.assert_allclose(got[:rank], np.log(np.linalg.svd(product)[1][:rank]), atol=1e-9)
        np.testing.assert_array_equal(got[rank:], -np.inf)
    assert rank < 8


@pytest.mark.wide
def test_singular_values_can_be_differentiated():
    """d log sigma_1 / d log g = k, in reverse mode."""
    W = jnp.asarray(np.random.default_rng(0).standard_normal((3, 3)))
    cell = rnnjax.Vanilla(1, 3, 1, activation=rnnjax.activation_named("identity"))
    zeros = jnp.zeros((4, 1))
    batch = rnnjax.Batch(x=zeros, y=zeros, mask=zeros[:, 0] + 1)

    def largest(gain):
        params = cell.init(jax.random.key(0))._replace(W=gain * W)
        return probes.log_singular_values(cell, None, params, batch)["log_singular_values"][-1, 0]

    np.testing.assert_allclose(jax.jit(jax.grad(largest))(1.5) * 1.5, 4, rtol=1e-8)


def directions(W, n_steps, every=1):
    cell = rnnjax.Vanilla(1, len(W), 1, activation=rnnjax.activation_named("identity"))
    zeros = jnp.zeros((n_steps, 1))
    batch = rnnjax.Batch(x=zeros, y=zeros, mask=zeros[:, 0] + 1)

    @jax.jit
    def measure(W):
        params = cell.init(jax.random.key(0))._replace(W=W)
        return probes.leading_directions(cell, None, params, batch, every=every)

    return measure(jnp.asarray(W))


def test_the_leading_direction_of_a_normal_network_does_not_turn():
    """It is the eigenvector of the largest eigenvalue, far beyond float64 as well."""
    eigenvalues = np.array([2.0, -1.5, 0.5])
    Q = rotation(3, 2)
    got = directions(Q * eigenvalues @ Q.T, 900, every=300)
    np.testing.assert_allclose(np.abs(got["singular_direction"] @ Q[:, 0]), 1, rtol=1e-12)
    np.testing.assert_allclose(got["angle"], 0, atol=1e-7)
    expected = np.array([300, 600, 900]) * np.log(2 / 1.5)
    # What the largest value leaves of the second one is rounding.
    assert np.all(got["log_gap"] > np.minimum(expected, 30) - 1e-6)
    np.testing.assert_allclose(
        directions(Q * eigenvalues @ Q.T, 20)["log_gap"],
        np.arange(1, 21) * np.log(2 / 1.5), rtol=1e-9,
    )  # fmt: skip


def test_the_leading_direction_of_a_network_of_rank_one_is_its_column():
    a, b = np.array([3.0, -4.0, 0.0]), np.array([1.0, 0.2, 2.0])
    got = directions(np.outer(a, b), 6)
    np.testing.assert_allclose(np.abs(got["singular_direction"] @ (a / 5)), 1, rtol=1e-14)
    np.testing.assert_allclose(got["angle"], 0, atol=1e-7)
    assert np.all(got["log_gap"] > 30)


def test_an_orthogonal_network_has_no_leading_direction():
    got = directions(1.1 * rotation(4, 3), 5)
    assert np.all(np.isnan(got["angle"]))
    np.testing.assert_allclose(got["log_gap"], 0, atol=1e-12)


@pytest.mark.wide
def test_the_leading_direction_turns_as_numpy_says():
    W = np.random.default_rng(5).standard_normal((4, 4))
    got = directions(W, 8)
    product, before = np.eye(4), None
    for k in range(8):
        product = product @ W
        u, s, _ = np.linalg.svd(product)
        np.testing.assert_allclose(np.abs(got["singular_direction"][k] @ u[:, 0]), 1, rtol=1e-12)
        np.testing.assert_allclose(got["log_gap"][k], np.log(s[0] / s[1]), rtol=1e-8)
        if before is not None:
            expected = np.arccos(np.abs(before @ u[:, 0]))
            np.testing.assert_allclose(got["angle"][k - 1], expected, atol=1e-7)
        before = u[:, 0]
    assert np.max(got["angle"]) > 0.1
