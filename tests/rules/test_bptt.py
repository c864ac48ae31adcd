import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import scaled, updates
from rnnjax.losses import squared_error
from tests.crossed import wide_but
from tests.rules.gradient_table import by_loss_and_use
from tests.stand_ins import of_normals

T = 6
RNG = np.random.default_rng(0)
CELL = rnnjax.Vanilla(2, 3, 1)
PARAMS = of_normals(CELL.init, jax.random.key(0))._replace(b=jax.device_put(np.zeros(3)))
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 1))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)


@functools.cache
def compiled(per_step, exact=False, **fields):
    """The gradient of a rule as a function of parameters, sequence and decay, in one program."""

    @jax.jit
    def run(params, batch, decay):
        rule = rnnjax.BPTT(decay=1.0 if exact else decay, **fields)
        return scaled.plain(rule(CELL, squared_error, params, batch, per_step=per_step).grads)

    return run


def plain_gradient(window=None, batch=BATCH, per_step=False, decay=1.0, segment=None):
    run = compiled(per_step, decay == 1, window=window, segment=segment)
    return run(PARAMS, batch, decay)


@functools.cache
def table_by_autodiff():
    return by_loss_and_use(CELL, PARAMS, BATCH)


@pytest.mark.parametrize("window", wide_but([1, 2, T, T + 2], range(1, T + 3)))
def test_a_window_keeps_exactly_the_lags_below_it(window):
    lag = np.subtract.outer(np.arange(T), np.arange(T))
    seen = (lag >= 0) & (lag < window)
    for got, table in zip(plain_gradient(window), table_by_autodiff(), strict=True):
        expected = np.einsum("ts...,ts->...", np.asarray(table), seen)
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.wide
@pytest.mark.parametrize("window", [None, 1, 2, 4])
def test_steps_are_split_by_the_step_of_use(window):
    lag = np.subtract.outer(np.arange(T), np.arange(T))
    seen = (lag >= 0) & (lag < (window or T))
    for got, table in zip(plain_gradient(window, per_step=True), table_by_autodiff(), strict=True):
        expected = np.einsum("ts...,ts->s...", np.asarray(table), seen)
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("window", "decay"), [(None, 0.3), (3, 0.3), (None, 0.0)])
def test_a_lag_counts_with_the_power_of_the_decay(window, decay):
    lag = np.subtract.outer(np.arange(T), np.arange(T))
    seen = (lag >= 0) & (lag < (window or T))
    weight = np.where(seen, decay ** np.maximum(lag, 0), 0)
    got = plain_gradient(window, per_step=True, decay=decay)
    for leaf, table in zip(got, table_by_autodiff(), strict=True):
        expected = np.einsum("ts...,ts->s...", np.asarray(table), weight)
        np.testing.assert_allclose(leaf, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.wide
def test_segments_forget_as_the_whole_does():
    whole, segments = (plain_gradient(decay=0.3, segment=n) for n in (None, 4))
    for a, b in zip(segments, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.wide
def test_the_gradient_along_a_lag_beyond_the_window_is_exactly_zero():
    """Only x_1 is not 0 and only step 4 has a loss: lag 3 is all there is for U."""
    batch = BATCH.replace(x=BATCH.x.at[1:].set(0), mask=jnp.zeros(T).at[3].set(1))
    for window in (1, 2, 3):
        np.testing.assert_array_equal(plain_gradient(window, batch).U, 0)
    assert np.all(np.abs(plain_gradient(4, batch).U) > 0)


def test_one_step_windows_are_the_immediate_gradient():
    """T = 1: truncated and exact BPTT are one thing."""
    one = jax.tree.map(lambda a: a[:1], BATCH)
    for a, b in zip(plain_gradient(1, one), plain_gradient(None, one), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.wide
def test_a_gradient_of_e400_is_clipped_in_the_right_direction():
    """A tanh net at rest at gain 40: float64 holds its gradient, float32 does not."""
    cell = rnnjax.Vanilla(2, 3, 1)
    n_steps = 110
    zeros = jnp.zeros((n_steps, 1))
    batch = rnnjax.Batch(
        x=jnp.zeros((n_steps, 2)), y=zeros + 1, mask=zeros[:, 0].at[jnp.array([20, -1])].set(1)
    )
    params = PARAMS._replace(W=40 * jnp.linalg.qr(PARAMS.W)[0])

    def gradient(dtype):
        p, b = jax.tree.map(lambda a: a.astype(dtype), (params, batch))
        return rnnjax.BPTT()(cell, squared_error, p, b).grads

    def flat(grads):
        return np.concatenate([np.ravel(a) for a in grads])

    oracle = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(params)
    length = np.linalg.norm(flat(oracle) / 1e150) * 1e150
    assert np.log(length) > 400
    with jax.enable_x64(False):
        grads = jax.jit(lambda: gradient(jnp.float32))()
        np.testing.assert_allclose(scaled.log_norm(grads), np.log(length), rtol=1e-6)
        both = jax.jit(lambda g: (scaled.plain(g), scaled.clip_norm(g, 1.0)))(grads)
        plain, clipped = map(flat, both)
    assert not np.all(np.isfinite(plain))
    np.testing.assert_allclose(clipped, flat(oracle) / length, atol=1e-5)


@pytest.mark.wide
@pytest.mark.parametrize("max_norm", [0.01, 1e6])
def test_clip_by_norm_feeds_any_optimiser_the_clipped_gradient(max_norm):
    grads = jax.jit(lambda p: rnnjax.BPTT()(CELL, squared_error, p, BATCH).grads)(PARAMS)
    ours = updates.clip_by_norm(max_norm, optax.adam(0.1))
    theirs = optax.chain(optax.clip_by_global_norm(max_norm), optax.adam(0.1))
    got, _ = jax.jit(lambda g: ours.update(g, ours.init(PARAMS), PARAMS))(grads)
    plain = jax.jit(scaled.plain)(grads)
    expected, _ = jax.jit(lambda g: theirs.update(g, theirs.init(PARAMS), PARAMS))(plain)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_a_clipping_that_is_not_outermost_is_refused():
    optimiser = updates.from_scaled(optax.chain(updates.clip_by_norm(1.0, optax.sgd(1.0))))

    def update(params):
        return optimiser.update(scaled.normalise_tree(params), optimiser.init(params), params)

    with pytest.raises(ValueError, match="clipping must be outermost"):
        jax.eval_shape(update, PARAMS)


@pytest.mark.wide
def test_a_batch_in_segments_is_the_same_mean_in_less_memory():
    x = jnp.asarray(RNG.standard_normal((3, 512, 2)))
    batch = rnnjax.Batch(x=x, y=x[..., :1], mask=jnp.ones((3, 512)))

    def program(segment):
        rule = rnnjax.BPTT(segment=segment)
        run = lambda p, b: scaled.plain(rule.batch_gradient(CELL, squared_error, p, b).grads)  # noqa: E731
        return jax.jit(run).lower(PARAMS, batch).compile()

    whole, parts = program(None), program(16)
    for a, b in zip(whole(PARAMS, batch), parts(PARAMS, batch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    sizes = [p.memory_analysis().temp_size_in_bytes for p in (whole, parts)]
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"window": 0}, "window: expected a whole number of at least 1 or None, got 0"),
        ({"window": 2, "segment": 3}, "segment: expected None with a window"),
    ],
)
def test_bad_windows_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        rnnjax.BPTT(**fields)


@pytest.mark.wide
@pytest.mark.parametrize("one", [1, 1.0, np.float32(1), np.ones(2), jnp.ones(())])
def test_a_decay_of_one_is_exact_however_it_is_given(one):
    assert rnnjax.BPTT(decay=one).exact and rnnjax.DiscountedRTRL(decay=one).exact
    assert not rnnjax.BPTT(decay=one * 0.5).exact
    assert not jax.eval_shape(lambda d: jnp.zeros(2 * rnnjax.BPTT(decay=d).exact), one).size
