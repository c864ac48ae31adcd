"""Float32 where plain float32 reads 0, inf or NaN, against closed forms and mpmath."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import rnnjax
from rnnjax import activation_named, probes
from rnnjax.cells.vanilla import VanillaParams

pytestmark = pytest.mark.usefixtures("float32")

GAINS = np.array([0.1, 0.5, 0.999, 1.0, 1.001, 2.0, 10.0], np.float32)


def silence(n_steps, n_x=1):
    zeros = np.zeros((n_steps, n_x), np.float32)
    return rnnjax.Batch(x=zeros, y=zeros, mask=np.ones(n_steps, np.float32))


@functools.cache
def of_chain(name):
    """A chain with this activation, its parameters, and log norms by lag as one program."""
    cell = rnnjax.Chain(activation=activation_named(name))
    params = rnnjax.cells.ChainParams(np.float32(1), np.ones(1, np.float32), np.float32(1))
    lags = jax.jit(lambda p, b: probes.log_norm_by_lag(cell, None, p, b)["log_norm"])
    return cell, params, lags


def test_plain_float32_reads_zero_and_infinity_where_the_readme_says():
    def last(h, w, n_steps):
        return jax.lax.scan(lambda h, _: (w * h, None), h, None, length=n_steps)[0]

    slopes = jax.jit(lambda w: [jax.grad(last)(1.0, w, n) for n in (126, 127, 128)])
    halves, doubles = slopes(0.5), slopes(2.0)
    assert halves[0] > 0 and halves[1] == 0
    assert np.isfinite(doubles[1]) and doubles[2] == np.inf


def orthogonal_lags(gain, n_steps, segment=None):
    cell = rnnjax.Vanilla(
        1, 16, 1, activation=activation_named("identity"), recurrent=rnnjax.cells.orthogonal,
        gain=gain,
    )  # fmt: skip
    params = cell.init(jax.random.key(0))
    probe = probes.log_norm_by_lag(cell, None, params, silence(n_steps), segment=segment)
    return probe["log_norm"]


@pytest.mark.parametrize(("n_steps", "segment"), [(1000, None), (100_000, 317)])
def test_linear_orthogonal_net_is_k_ln_g(n_steps, segment):
    got = np.asarray(
        jax.jit(jax.vmap(lambda g: orthogonal_lags(g, n_steps, segment)))(GAINS), float
    )
    lags = np.arange(n_steps + 1)
    expected = lags * np.log(GAINS.astype(float))[:, None]
    assert np.all(np.isfinite(got))
    error = np.abs(got - expected)
    # 1e-5 relative, or 1e-6 a step where the logarithm itself is near 0.
    assert np.all(error <= np.maximum(1e-5 * np.abs(expected), 1e-6 * lags + 1e-6))


def test_linear_orthogonal_net_by_length():
    def lengths(gain):
        cell = rnnjax.Vanilla(
            1, 16, 1, activation=activation_named("identity"),
            recurrent=rnnjax.cells.orthogonal, gain=gain,
        )  # fmt: skip
        params = cell.init(jax.random.key(0))
        return probes.log_norm_by_length(cell, None, params, silence(2000))["log_norm_by_length"]

    got = np.asarray(jax.jit(jax.vmap(lengths))(GAINS), float)
    steps = np.arange(1, 2001)
    expected = steps * np.log(GAINS.astype(float))[:, None]
    assert np.all(np.abs(got - expected) <= np.maximum(1e-5 * np.abs(expected), 1e-6 * steps))


@pytest.mark.parametrize("name", ["identity", "relu"])
def test_driven_nets_beyond_the_range_of_float32_stay_finite(name):
    """At gain 2 the states pass 1e38 at t = 128; relu's slopes must not become NaN there."""
    task = rnnjax.tasks.WhiteNoise(length=1000)
    cell = rnnjax.Vanilla(8, 64, 1, activation=activation_named(name), gain=2.0)

    @jax.jit
    def measure(key):
        params = cell.init(key)
        batch = task.sample(key)
        states = rnnjax.unroll(cell, params, batch.x).states
        rates = probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]
        lengths = probes.log_norm_by_length(cell, None, params, batch)["log_norm_by_length"]
        return rates, lengths, rnnjax.scaled.log_norm(states), rnnjax.scaled.plain(states)

    rates, lengths, size, plain = measure(jax.random.key(0))
    assert np.all(np.isfinite(rates)) and np.all(np.isfinite(lengths)) and np.all(np.isfinite(size))
    assert size[-1] > 200
    assert not np.all(np.isfinite(plain))
    np.testing.assert_allclose(rates[-1], lengths[-1], rtol=1e-5)


def test_a_driven_linear_net_equals_float64_and_python_integers():
    """States of h' = 2h + x grow like 2^t: compare mantissas with exact integers."""
    cell, params, _ = of_chain("identity")
    x = np.float32(np.random.default_rng(0).integers(-3, 4, (1000, 1)))
    run = jax.jit(lambda p: rnnjax.unroll(cell, p, x).states)
    states = jax.tree.map(np.asarray, run(params._replace(w_n=np.float32(2))))
    h = 0
    for value in np.asarray(x)[:, 0]:
        h = 2 * h + int(value)
    with mpmath.workdps(50):
        got = mpmath.mpf(float(states.value[-1, 0])) * mpmath.mpf(2) ** int(states.exponent[-1])
        assert abs(got / h - 1) < 1e-5


@pytest.mark.parametrize(("name", "w"), [("tanh", 3.0), ("sigmoid", 6.0), ("tanh", 0.5)])
def test_one_neuron_chain_of_2000_steps_agrees_with_mpmath(name, w):
    n_steps = 2000
    x = np.random.default_rng(0).uniform(-1, 1, n_steps).astype(np.float32)
    cell = rnnjax.Chain(activation=activation_named(name), gain=w)

    @jax.jit
    def lags(x):
        params = cell.init(jax.random.key(0))._replace(w_x=jnp.ones(1))
        batch = rnnjax.Batch(x=x[:, None], y=x[:, None], mask=x)
        return probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]

    f = {"tanh": mpmath.tanh, "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z))}[name]
    slope = {"tanh": lambda h: 1 - h * h, "sigmoid": lambda h: h * (1 - h)}[name]
    with mpmath.workdps(60):
        h, increments = mpmath.mpf(0), []
        for value in x:
            h = f(w * h + mpmath.mpf(float(value)))
            increments.append(float(mpmath.log(w * slope(h))))
    expected = np.concatenate([[0.0], np.cumsum(increments[::-1])])
    np.testing.assert_allclose(lags(jnp.asarray(x)), expected, rtol=1e-5, atol=1e-5)


def test_a_saturated_chain_is_right_where_every_slope_is_zero_in_float32():
    """tanh with z = 100 has slope 4 e^-200: float32 holds neither it nor its products."""
    _, params, lags = of_chain("tanh")
    got = lags(params, silence(50).replace(x=np.full((50, 1), 100, np.float32)))
    # z_1 = 100, later z_t = 101.
    slopes = np.log(4.0) - 2 * np.array([101.0] * 49 + [100.0])
    np.testing.assert_allclose(got[1:], np.cumsum(slopes), rtol=1e-6)


def test_a_dead_relu_is_exactly_zero_and_says_so():
    cell = rnnjax.Vanilla(1, 3, 1, activation=activation_named("relu"))
    params = VanillaParams(
        W=np.eye(3), U=np.zeros((3, 1)), b=-np.ones(3), V=np.zeros((1, 3)), c=np.zeros(1)
    )
    params = jax.tree.map(np.float32, params)
    got = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, silence(4)))(params)["log_norm"]
    np.testing.assert_allclose(got, [0, *[-np.inf] * 4], atol=1e-7)


def test_a_vanishing_relu_state_keeps_its_sign():
    """0.1^2000 is 0 in float32; carried with a scale the unit stays alive, with slope 1."""
    _, params, lags = of_chain("relu")
    batch = silence(2000)
    batch.x[0] = 1
    got = lags(params._replace(w_n=np.float32(0.1)), batch)
    expected = np.arange(1, 2000) * np.log(np.float32(0.1).astype(float))
    np.testing.assert_allclose(got[1:2000], expected, rtol=1e-6)


def test_an_overflowing_softplus_net_reports_its_first_bad_step():
    """Softplus is not homogeneous: it cannot be carried, so the step is data."""
    cell = rnnjax.Vanilla(8, 64, 1, activation=activation_named("softplus"), gain=1.0)
    task = rnnjax.tasks.WhiteNoise(length=300)
    params = jax.jit(cell.init)(jax.random.key(0))._replace(W=np.full((64, 64), 2 / 64, np.float32))
    batch = jax.jit(task.sample)(jax.random.key(1))
    probe = jax.jit(lambda p: probes.first_non_finite(cell, None, p, batch))
    step = int(probe(params)["first_non_finite_step"])
    h = np.zeros(64, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = 0
        for x in np.asarray(batch.x):
            expected += 1
            z = (np.float32(2 / 64) * h).sum() + np.asarray(params.U) @ x
            h = np.logaddexp(np.float32(0), z.astype(np.float32))
            if not np.all(np.isfinite(h)):
                break
    assert 100 < step < 300
    assert abs(step - expected) <= 1


@pytest.mark.wide
def test_the_gradient_bound_holds_on_every_draw():
    """||dL/dh_{T-k}|| <= (gamma ||W||)^k ||dL/dh_T||, Pascanu et al. 2013, equation 7."""
    task, lags = rnnjax.tasks.WhiteNoise(length=60), jnp.arange(1, 61)
    activations = [activation_named(name) for name in ("tanh", "sigmoid", "relu", "gelu")]

    @jax.jit
    @jax.vmap
    def excess(gain, seed):
        key = jax.random.key(seed)
        batch, worst = task.sample(key), []
        for activation in activations:
            cell = rnnjax.Vanilla(8, 16, 1, activation=activation, gain=gain, bias_gain=1.0)
            params = cell.init(key)
            rise = probes.log_norm_by_lag(cell, None, params, batch)["log_norm"][1:]
            per_step = rnnjax.matrices.log_spectral_norm(params.W) + jnp.log(activation.max_slope)
            worst.append(jnp.max((rise - lags * per_step) / lags))
        return jnp.stack(worst)

    gains, seeds = jnp.tile(jnp.array([0.3, 1.0, 2.0]), 5), jnp.repeat(jnp.arange(5), 3)
    assert np.max(excess(gains, seeds)) <= 1e-6


@pytest.mark.parametrize(("name", "gain"), [("tanh", 1000.0), ("erf", 1e5)])
def test_what_vanishes_beyond_every_exponent_is_zero_and_never_explodes(name, gain):
    """Past 2^(-2^30) an int32 exponent would wrap to a huge one."""
    cell = rnnjax.Chain(activation=activation_named(name), gain=gain)
    _, params, _ = of_chain("tanh")
    params = params._replace(w_n=np.float32(gain))
    n_steps = 1_000_000 if name == "tanh" else 6
    batch = silence(n_steps).replace(x=np.ones((n_steps, 1), np.float32))
    probe = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, batch)["log_norm"])
    log_norm = np.asarray(probe(params))
    assert np.all(np.diff(log_norm[np.isfinite(log_norm)]) < 0)
    assert log_norm[-1] == -np.inf


def test_a_saturated_jordan_net_still_has_a_gradient():
    """Both layers at |z| > 20: the sigmoid's slope s (1 - s) is 0 in float32."""
    cell = rnnjax.Jordan(1, 4, 1)
    params = jax.jit(cell.init)(jax.random.key(0))
    params = params._replace(b=np.full(4, 30, np.float32), V=np.full((1, 4), 10, np.float32))

    def log_norm(params, batch):
        return probes.log_norm_by_lag(cell, None, params, batch)["log_norm"]

    got = jax.jit(log_norm)(params, silence(6))
    with jax.enable_x64(True):
        wide = jax.tree.map(np.float64, (params, silence(6)))
        expected = np.asarray(jax.jit(log_norm)(*wide))
    assert expected[-1] < -300
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.wide
def test_an_overflow_at_a_step_without_weight_has_no_say():
    cell = rnnjax.Vanilla(1, 3, 1, activation=activation_named("identity"), gain=4.0)
    task = rnnjax.tasks.WhiteNoise(length=200, n_x=1)

    @jax.jit
    def run(key):
        batch = task.sample(key)
        batch = batch.replace(mask=jnp.zeros(200).at[10].set(1.0))
        out = rnnjax.BPTT()(cell, task.loss, cell.init(key), batch)
        return out.loss, rnnjax.scaled.log_norm(out.grads)

    loss, log_norm = run(jax.random.key(0))
    assert np.isfinite(loss) and np.isfinite(log_norm)
