import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import cells

N = 400


def drawn(scheme, n=N):
    return np.asarray(jax.jit(lambda key: scheme(key, n))(jax.random.key(0)))


def test_gaussian_weights_have_variance_one_over_n():
    W = drawn(cells.gaussian)
    np.testing.assert_allclose(np.var(W), 1 / N, rtol=0.02)
    np.testing.assert_allclose(np.linalg.norm(W, 2), 2, rtol=0.05)
    np.testing.assert_allclose(np.max(np.abs(np.linalg.eigvals(W))), 1, rtol=0.1)


def test_orthogonal_weights_are_orthogonal_and_haar():
    W = drawn(cells.orthogonal, 30)
    np.testing.assert_allclose(W @ W.T, np.eye(30), atol=1e-13)
    # Without the signs of R the trace would be far from 0 in the mean; Haar gives variance 1.
    keys = jax.random.split(jax.random.key(1), 400)
    many = np.asarray(jax.jit(jax.vmap(lambda key: cells.orthogonal(key, 10)))(keys))
    traces = np.trace(many, axis1=1, axis2=2)
    assert abs(np.mean(traces)) < 0.2
    np.testing.assert_allclose(np.var(traces), 1, rtol=0.25)


def test_identity_weights_are_the_identity():
    np.testing.assert_array_equal(drawn(cells.identity, 4), np.eye(4))


@pytest.mark.parametrize("n", [10, 60])
def test_sparse_weights_have_their_inputs_and_their_radius(n):
    W = drawn(cells.SparseRescaled(n_incoming=15, radius=0.95), n)
    assert set(np.sum(W != 0, axis=1)) == {min(15, n)}
    np.testing.assert_allclose(np.max(np.abs(np.linalg.eigvals(W))), 0.95, rtol=1e-9)


def test_gains_scale_what_they_name():
    cell = rnnjax.Vanilla(3, 5, 2, bias_gain=1.0)
    louder = cell.replace(gain=2.0, input_gain=3.0, readout_gain=5.0, bias_gain=7.0)
    init = jax.jit(lambda c: c.init(jax.random.key(0)))
    for a, b, factor in zip(init(cell), init(louder), (2, 3, 7, 5, 1), strict=True):
        np.testing.assert_allclose(b, factor * a, rtol=1e-13)


def test_the_forget_bias_of_the_lstm_is_that_of_its_forget_gate():
    """With zero gate weights dc_T/dc_t = s(b_f)^(T-t): half-lives 1, 2.2127, 14.266 at 0, 1, 3."""
    for bias, half_life in ((0.0, 1.0), (1.0, 2.2127), (3.0, 14.266)):
        cell = rnnjax.LSTM(1, 2, forget_bias=bias)
        params = cell.init(jax.random.key(0))
        b = params.b
        params = jax.tree.map(jnp.zeros_like, params)._replace(b=b)
        kept = jax.jvp(
            lambda h, c=cell, p=params: c.step(p, h, jnp.zeros(1)),
            (jnp.array([0.0, 0, 0.3, 0]),),
            (jnp.array([0.0, 0, 1, 0]),),
        )[1][2]
        np.testing.assert_allclose(np.log(0.5) / np.log(kept), half_life, rtol=1e-4)


def test_the_ring_of_the_lru_has_its_normalisation():
    """E 1/(1 - |lambda|^2) = log((1 - r_min^2)/(1 - r_max^2)) / (r_max^2 - r_min^2)."""
    cell = rnnjax.LRU(1, 200_000, r_min=0.9, r_max=0.999)
    params = jax.jit(cell.init)(jax.random.key(0))
    size = np.abs(np.asarray(cell.eigenvalues(params)))
    assert size.min() >= 0.9 and size.max() <= 0.999
    np.testing.assert_allclose(np.mean(1 / (1 - size**2)), 24.225281, rtol=0.02)
    np.testing.assert_allclose(np.exp(params.log_gamma), np.sqrt(1 - size**2), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "y"),
    [("identity", 3.6), ("tanh", 1.846106), ("sigmoid", 1.65978), ("relu", 3.6)],
)
def test_the_two_step_example_of_one_neuron(name, y):
    """y = w_3 f(4 w_2 + w_n f(2 w_1)): an input weight of its own for every step."""
    cell = rnnjax.Chain(n_x=2, activation=rnnjax.activation_named(name))
    params = cells.ChainParams(
        w_n=jnp.float64(0.8), w_x=jnp.array([0.5, 0.25]), w_3=jnp.float64(2.0)
    )
    got = rnnjax.outputs(cell, params, jnp.diag(jnp.array([2.0, 4.0])))
    np.testing.assert_allclose(got[-1], y, rtol=1e-6)


def test_a_jordan_net_feeds_back_only_what_it_is_told():
    cell = rnnjax.Jordan(2, 4, 2, feedback=(1,))
    params = cell.init(jax.random.key(0))
    assert params.W.shape == (4, 3)
    J = jax.jacobian(lambda h: cell.step(params, h, jnp.ones(2)))(jnp.array([0.1, 0.2]))
    np.testing.assert_array_equal(J[:, 0], 0)
    assert np.all(J[:, 1] != 0)
    with pytest.raises(ValueError, match="feedback: expected outputs between 0 and 1"):
        rnnjax.Jordan(2, 4, 2, feedback=(2,))


def test_one_draw_gives_the_weights_of_several_cells():
    """Matrices have variance 1 over their columns, vectors are zero; nothing is drawn twice."""
    cells_ = [rnnjax.Vanilla(40, 60, 30), rnnjax.LSTM(40, 30, 2)]
    found = jax.jit(lambda key: cells.initial_weights.of_cells(key, cells_))(jax.random.key(0))
    for cell, params in zip(cells_, found, strict=True):
        like = jax.eval_shape(cell.init, jax.random.key(0))
        assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, like)
        for name, leaf in params._asdict().items():
            variance = 1 / leaf.shape[1] if leaf.ndim == 2 else 0
            np.testing.assert_allclose(np.var(leaf), variance, rtol=0.35, err_msg=name)
    assert not np.any(np.isin(found[0].W, found[1].W))


def test_chrono_biases_keep_for_times_that_are_evenly_spread():
    """1 / (1 - s(b)) = u + 1 with u uniform in [1, t_max - 1], for both cells that may have it."""
    n, t_max = 4000, 50.0
    b = jax.jit(lambda key: cells.chrono(key, n, t_max))(jax.random.key(0))
    times = 1 + np.exp(np.asarray(b))
    assert times.min() >= 2 and times.max() <= t_max
    np.testing.assert_allclose(np.mean(times), 26, rtol=0.03)
    np.testing.assert_allclose(np.std(times), 48 / 12**0.5, rtol=0.03)
    bias = b[:5]
    for cell, size in (
        (rnnjax.LSTM(1, 5, forget_bias=bias), 4),
        (rnnjax.GRU(1, 5, forget_bias=bias), 3),
    ):
        found = np.asarray(cell.init(jax.random.key(1)).b).reshape(size, 5)
        np.testing.assert_array_equal(found[1], bias)
        np.testing.assert_array_equal(np.delete(found, 1, axis=0), 0)


def test_the_forget_bias_of_the_gru_is_that_of_the_gate_that_keeps():
    params = jax.tree.map(jnp.zeros_like, rnnjax.GRU(1, 2).init(jax.random.key(0)))
    kept = rnnjax.GRU(1, 2, forget_bias=3.0).init(jax.random.key(0)).b
    h = rnnjax.GRU(1, 2).step(params._replace(b=kept), jnp.array([0.5, -1.0]), jnp.zeros(1))
    np.testing.assert_allclose(h, 0.9525741 * np.array([0.5, -1.0]), rtol=1e-6)


def test_parameters_cut_out_of_numbers_are_scaled_as_those_that_are_drawn():
    cell = rnnjax.Vanilla(4, 100, 6)
    numbers = np.random.default_rng(0).normal(size=(100, 120))
    params = rnnjax.cells.vanilla.params_of_numbers(cell, jnp.asarray(numbers))
    like = jax.jit(cell.init)(jax.random.key(1))
    for one, other in zip(params, like, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(np.std(one), np.std(other), rtol=0.15)
