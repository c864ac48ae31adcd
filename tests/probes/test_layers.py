"""Layers of a stack: gradients against perturbations of each state, spectra against the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import rnnjax
from rnnjax import activations, layers, probes, scaled, scan
from rnnjax.losses import squared_error
from tests.crossed import one_in, wide_but

KEY = jax.random.key(0)
RELU = rnnjax.Vanilla(2, 3, activation=activations.relu, gain=1.5, bias_gain=1.0)
STACKS = {
    "several kinds": rnnjax.Stack(
        (rnnjax.Vanilla(2, 4, gain=1.2), rnnjax.LSTM(4, 3), rnnjax.GRU(3, 5)), 2
    ),
    "complex": rnnjax.Stack((rnnjax.LSTM(2, 3), rnnjax.LRU(3, 4, 3), rnnjax.LSTM(3, 2)), 2),
    "homogeneous": rnnjax.Stack((RELU, RELU.replace(n_x=3, leak=0.6)), 2),
}
RNG = np.random.default_rng(1)
BATCH = jax.device_put(
    rnnjax.Batch(RNG.standard_normal((8, 2)), RNG.standard_normal((8, 2)), np.eye(8)[-1])
)
WEIGHED = BATCH.replace(mask=jax.device_put(np.array([0, 1, 2, 0.5, 0, 1, 0, 0])))


def of_layers(*arguments):
    return probes.log_norm_by_layer_and_lag(*arguments)["log_norm_by_layer"]


def perturbed_loss(stack, params, batch, of_step):
    """The loss with a number added to every state, sum_t of_step_t loss_t, by hand."""

    def loss(start, eps):
        states, total = list(start), 0.0
        for t in range(len(batch.x)):
            sent = batch.x[t]
            for i, (cell, own) in enumerate(stack.seen(params)):
                states[i] = cell.step(own, states[i], sent) + eps[i][t]
                sent = rnnjax.dynamics.output(cell, own, states[i])
            y_hat = params.V @ sent + params.c
            total += of_step[t] * squared_error(y_hat, batch.y[t])
        return total

    start = stack.split(stack.initial_state())
    eps = [jnp.zeros((len(batch.x), h.size)) for h in start]
    by_start, by_step = jax.jit(jax.grad(loss, argnums=(0, 1)))(start, eps)
    return [jnp.concatenate([a[None], b]) for a, b in zip(by_start, by_step, strict=True)]


@pytest.mark.wide
@pytest.mark.parametrize("name", one_in(len(STACKS), list(STACKS)))
def test_gradients_are_those_by_a_perturbation_of_each_state(name):
    stack = STACKS[name]
    params = stack.init(KEY)
    got = layers.gradients(stack, squared_error, params, WEIGHED)
    expected = perturbed_loss(stack, params, WEIGHED, WEIGHED.mask)
    for of_layer, by_hand in zip(got, expected, strict=True):
        np.testing.assert_allclose(scaled.plain(of_layer.by_time()), by_hand, atol=1e-12)
        assert np.any(by_hand != 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_norms_by_lag_are_those_of_the_last_loss(name):
    stack = STACKS[name]
    params = stack.init(KEY)
    got = of_layers(stack, squared_error, params, WEIGHED)
    expected = perturbed_loss(stack, params, WEIGHED, jnp.zeros(8).at[5].set(1.0))
    norms = np.stack([np.linalg.norm(by_hand, axis=1)[6::-1] for by_hand in expected])
    np.testing.assert_allclose(np.exp(got[:, :7]), norms, rtol=1e-11)
    assert np.all(np.isnan(got[:, 7:]))


@pytest.mark.wide
def test_no_layer_underflows_beside_another(float32):
    """Scalar layers: dh^2_T/dh^2_{T-k} = b^k, dh^2_T/dh^1_{T-k} = sum_j a^j b^(k-j)."""
    a, b, n = 0.9, 0.1, 300
    stack = rnnjax.Stack((rnnjax.Chain(), rnnjax.Chain()))
    one = jnp.ones(())
    chains = [rnnjax.cells.ChainParams(w * one, jnp.ones(1), None) for w in (a, b)]
    params = rnnjax.cells.StackParams(tuple(chains), jnp.ones((1, 1)), jnp.zeros(1))
    batch = rnnjax.Batch(jnp.ones((n, 1)), jnp.zeros((n, 1)), jnp.ones(n))
    loss = lambda y_hat, y: jnp.sum(y_hat)  # noqa: E731
    got = of_layers(stack, loss, params, batch)
    k = np.arange(n)
    lower = np.log(a) * k + np.log((1 - (b / a) ** (k + 1)) / (1 - b / a))
    np.testing.assert_allclose(got[:, :-1], [lower, k * np.log(b)], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got[1, -1], n * np.log(b), rtol=1e-5)


@pytest.mark.slow
def test_a_cell_that_is_no_stack_is_its_own_layer():
    for cell in (rnnjax.LSTM(2, 3, 2), rnnjax.LRU(2, 3, 2)):
        params = cell.init(KEY)
        got = of_layers(cell, squared_error, params, WEIGHED)
        expected = probes.log_norm_by_lag(cell, squared_error, params, WEIGHED)["log_norm"]
        np.testing.assert_allclose(got[0], expected, rtol=1e-12)
        spectra = probes.lyapunov_spectra_of_layers(cell, None, params, WEIGHED)
        whole = probes.lyapunov_spectrum(cell, None, params, WEIGHED)
        np.testing.assert_array_equal(spectra["exponents"], whole["exponents"])


@pytest.mark.wide
@pytest.mark.parametrize("name", wide_but(["homogeneous"], ["several kinds", "homogeneous"]))
def test_the_exponents_of_the_layers_are_those_of_the_stack(name):
    """Exactly in sum, which is the mean log determinant, and one by one as the sequence grows."""
    stack = STACKS[name]
    params = stack.init(jax.random.key(4))
    n = 400
    batch = rnnjax.Batch(
        jax.random.normal(jax.random.key(2), (n, 2)), jnp.zeros((n, 2)), jnp.ones(n)
    )
    got = jax.jit(
        lambda: probes.lyapunov_spectra_of_layers(stack, None, params, batch, n_discarded=100)
    )()
    whole = jax.jit(lambda: probes.lyapunov_spectrum(stack, None, params, batch, n_discarded=100))()
    lost = np.isneginf(whole["exponents"])
    np.testing.assert_array_equal(np.isneginf(got["exponents"]), lost)
    # Near one another they take long to part; the sum, below, is the same at every length.
    np.testing.assert_allclose(got["exponents"][~lost], whole["exponents"][~lost], atol=0.15)
    if name != "homogeneous":
        run = scan.unroll(stack, params, batch.x)
        J = jax.vmap(jax.jacfwd(lambda h, d: stack.advance(params, h, d)))(run.h_prev, run.drive)
        logs = np.linalg.slogdet(np.asarray(J))[1][100:].mean()
        np.testing.assert_allclose(np.sum(got["exponents"]), logs, rtol=1e-9)


@pytest.mark.slow
def test_each_layer_has_the_exponents_of_its_cell_driven_alone():
    stack = STACKS["several kinds"]
    params, batch = stack.init(KEY), rnnjax.tasks.WhiteNoise(50, 2, 2).sample(KEY)
    got = jax.jit(lambda: probes.lyapunov_spectra_of_layers(stack, None, params, batch))()
    x = batch.x
    for i, (cell, own) in enumerate(stack.seen(params)):
        own = own._replace(V=jnp.zeros((1, cell.n_h // rnnjax.dynamics.entries_per_unit(cell))))
        own = own._replace(c=jnp.zeros(1))
        alone = probes.lyapunov_spectrum(cell, None, own, rnnjax.Batch(x, batch.y, batch.mask))
        mine = got["exponents"][got["layer_of_exponent"] == i]
        np.testing.assert_allclose(mine, alone["exponents"], rtol=1e-9)
        h = scan.unroll(cell, own, x).plain
        x = jax.vmap(lambda h, c=cell, p=own: rnnjax.dynamics.output(c, p, h))(h)


@pytest.mark.wide
def test_a_stack_outgrows_the_range_of_its_dtype(float32):
    """Scalar linear layers of gain 2 with a bias: the states are those of float64 in logarithms."""
    cell = rnnjax.Vanilla(1, 1, activation=activations.identity)
    stack = rnnjax.Stack((cell, cell))
    W, one = jnp.full((1, 1), 2.0), jnp.ones((1, 1))
    own = rnnjax.cells.VanillaParams(W, one, jnp.ones(1), None, None)
    params = rnnjax.cells.StackParams((own, own), one, jnp.zeros(1))
    run = scan.unroll(stack, params, jnp.ones((300, 1)))
    h = np.zeros(2)
    for _ in range(300):
        first = 2 * h[0] + 2
        h = np.array([first, 2 * h[1] + first + 1])
    got = np.log(np.abs(np.asarray(run.states.value[-1], float)))
    got = got + float(run.states.exponent[-1]) * np.log(2)
    np.testing.assert_allclose(got, np.log(h), rtol=1e-6)


@pytest.mark.wide
def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^cells: expected n_x = 3 of layer 2, .*got 4$"):
        rnnjax.Stack((rnnjax.LSTM(2, 3), rnnjax.GRU(4, 2)))
    with pytest.raises(ValueError, match=r"^cells: expected a tuple of cells"):
        rnnjax.Stack(())
    with pytest.raises(ValueError, match=r"^cells: expected a tuple of cells"):
        rnnjax.Stack([rnnjax.GRU(4, 2)])


@pytest.mark.parametrize("a", [1.0, 0.9])
def test_a_stack_of_equal_linear_layers_grows_polynomially_on_top_of_their_decay(a):
    """dh^L_T/dh^1_{T-k} = binomial(k + L - 1, L - 1) a^k, and so that of the last layer a^k."""
    n_layers, n_steps = 3, 40
    stack = rnnjax.Stack((rnnjax.Chain(),) * n_layers)
    one = jnp.ones(())
    chain = rnnjax.cells.ChainParams(a * one, jnp.ones(1), None)
    params = rnnjax.cells.StackParams((chain,) * n_layers, jnp.ones((1, 1)), jnp.zeros(1))
    batch = rnnjax.Batch(jnp.zeros((n_steps, 1)), jnp.ones((n_steps, 1)), jnp.ones(n_steps))
    got = jax.jit(lambda p: of_layers(stack, squared_error, p, batch))(params)
    k = np.arange(n_steps)  # h_0 is sent to no layer above
    expected = scipy.special.gammaln(k + n_layers) - scipy.special.gammaln(k + 1)
    expected += k * np.log(a) - scipy.special.gammaln(n_layers)
    np.testing.assert_allclose(got[0, :-1] - got[-1, 0], expected, rtol=0, atol=1e-11)
    np.testing.assert_allclose(got[-1, :-1] - got[-1, 0], k * np.log(a), rtol=0, atol=1e-11)
