"""Networks that read both ways: by hand, by automatic differentiation, and what they refuse.

`tests/importers` compares them with torch and Keras.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes, scaled, scan
from rnnjax.losses import squared_error
from tests.bad_numbers import assert_refused

KEY = jax.random.key(0)
ONE = rnnjax.Bidirectional((rnnjax.LSTM(2, 3),), (rnnjax.GRU(2, 4),), 2)
RELU = rnnjax.Vanilla(7, 3, activation=rnnjax.activations.relu, bias_gain=0.5)
TWO = rnnjax.Bidirectional((rnnjax.LSTM(2, 3), RELU), (rnnjax.GRU(2, 4), rnnjax.LRU(7, 3, 2)), 2)
RNG = np.random.default_rng(1)
BATCH = jax.device_put(
    rnnjax.Batch(RNG.standard_normal((6, 2)), RNG.standard_normal((6, 2)), np.eye(6)[-1])
)


def padding(batch, n=3):
    def pad(a, value):
        widths = [(0, n)] + [(0, 0)] * (a.ndim - 1)
        return jnp.pad(a, widths, constant_values=value)

    return rnnjax.Batch(pad(batch.x, jnp.nan), pad(batch.y, jnp.nan), pad(batch.mask, 0))


@pytest.mark.wide
def test_outputs_are_those_of_two_cells():
    params = ONE.init(KEY)
    ahead = scan.unroll(ONE.forward[0], filled(ONE.forward[0], params.forward[0]), BATCH.x).plain
    behind = scan.unroll(
        ONE.backward[0], filled(ONE.backward[0], params.backward[0]), BATCH.x[::-1]
    ).plain[::-1]
    sent = np.concatenate([ahead[:, :3], behind], axis=1)
    expected = sent @ np.asarray(params.V).T + np.asarray(params.c)
    np.testing.assert_allclose(ONE.outputs(params, BATCH.x), expected, atol=1e-14)
    ends = np.concatenate([sent[-1, :3], sent[0, 3:]])
    last = params.V @ ends + params.c
    np.testing.assert_allclose(ONE.last_output(params, BATCH.x), last, atol=1e-14)


def filled(cell, params):
    """Parameters of a layer with some readout, which nothing sees."""
    whole = cell.init(KEY)
    return jax.tree.map(lambda a, b: b if a is None else a, params, whole, is_leaf=_is_none)


def _is_none(node):
    return node is None


@pytest.mark.wide
def test_padding_changes_nothing():
    params, batch = TWO.init(KEY), padding(BATCH)

    @jax.jit
    def measure(batch):
        counts = jnp.arange(len(batch.x)) < 6
        return (
            TWO.outputs(params, batch.x, counts),
            TWO.last_output(params, batch.x, counts),
            TWO.log_norm_by_layer_and_lag(squared_error, params, batch)["log_norm_by_layer"],
            [scaled.plain(one.by_time()) for both in gradients(batch) for one in both],
        )

    def gradients(batch):
        return TWO.gradients(squared_error, params, batch)

    y, last, norms, deltas = measure(batch)
    y_0, last_0, norms_0, deltas_0 = measure(BATCH)
    np.testing.assert_allclose(y[:6], y_0, atol=1e-14)
    assert np.all(np.isnan(y[6:])) and np.all(np.isnan(norms[..., 7:]))
    np.testing.assert_allclose(last, last_0, atol=1e-14)
    np.testing.assert_allclose(norms[..., :7], norms_0, rtol=1e-12)
    for a, b in zip(deltas, deltas_0, strict=True):
        np.testing.assert_allclose(a[:7], b, atol=1e-14)


@pytest.mark.slow
def test_lanes_of_different_lengths_are_each_alone():
    params = ONE.init(KEY)
    masks = jnp.array([[1.0] * 6, [1.0] * 3 + [0.0] * 3])

    def norms(mask):
        batch = BATCH.replace(mask=mask)
        return ONE.log_norm_by_layer_and_lag(None, params, batch)["log_norm_by_layer"]

    got = jax.vmap(norms)(masks)
    short = jax.tree.map(lambda a: a[:3], BATCH.replace(mask=masks[0]))
    alone = ONE.log_norm_by_layer_and_lag(None, params, short)["log_norm_by_layer"]
    np.testing.assert_allclose(got[1, ..., :4], alone, rtol=1e-12)
    assert np.all(np.isnan(got[1, ..., 4:])) and np.all(np.isfinite(got[0]))


@pytest.mark.slow
def test_gradients_at_the_start_are_those_of_jax():
    """dL/dx_t is one product away from dL/dh_t: both ways, all layers, complex ones among them."""
    params = TWO.init(KEY)

    def loss(scale):
        forward = tuple(p._replace(b=p.b + s) for p, s in zip(params.forward, scale, strict=True))
        y = TWO.outputs(params._replace(forward=forward), BATCH.x)
        return jnp.sum(BATCH.mask * jax.vmap(squared_error)(y, BATCH.y))

    biases = tuple(jnp.zeros_like(p.b) for p in params.forward)
    expected = jax.grad(loss)(biases)
    found = TWO.gradients(squared_error, params, BATCH)
    upper = scaled.plain(found[1].forward.at_steps)
    run = TWO._run(params, rnnjax.masks.cut(BATCH)).layers[1].forward.trajectory
    slopes = np.asarray(run.plain) > 0
    np.testing.assert_allclose(np.sum(upper * slopes, axis=0), expected[1], atol=1e-13)


@pytest.mark.slow
def test_one_direction_that_sees_nothing_else_is_the_cell():
    """With a readout of the forward part alone, its norms are those of the cell by itself."""
    params = ONE.init(KEY)
    params = params._replace(V=params.V.at[:, 3:].set(0))
    got = ONE.log_norm_by_layer_and_lag(squared_error, params, BATCH)["log_norm_by_layer"]
    cell = rnnjax.LSTM(2, 3, 2)
    own = params.forward[0]._replace(V=params.V[:, :3], c=params.c)
    expected = probes.log_norm_by_lag(cell, squared_error, own, BATCH)["log_norm"]
    np.testing.assert_allclose(got[0, 0], expected, rtol=1e-12)
    assert np.all(np.isneginf(got[0, 1]))


def test_what_needs_a_step_refuses():
    params = ONE.init(KEY)
    with pytest.raises(ValueError, match=r"^cell: expected one with a method step, got Bidir.*use"):
        rnnjax.outputs(ONE, params, BATCH.x)
    assert_refused(lambda: rnnjax.BPTT()(ONE, squared_error, params, BATCH), "cell")
    assert_refused(lambda: probes.lyapunov_spectrum(ONE, None, params, BATCH), "cell")


@pytest.mark.wide
def test_a_sequence_may_be_a_constant_of_a_compiled_program():
    params = ONE.init(KEY)
    found = jax.jit(lambda p: ONE.gradients(squared_error, p, BATCH))(params)
    again = jax.jit(lambda p, b: ONE.gradients(squared_error, p, b))(params, BATCH)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    zeros = BATCH.replace(mask=jnp.zeros(6))
    assert_refused(
        lambda: jax.jit(lambda p: ONE.gradients(squared_error, p, zeros))(params), "mask"
    )


def test_arguments_that_do_not_fit_are_refused():
    params = ONE.init(KEY)
    zeros = BATCH.replace(mask=jnp.zeros(6))
    lstm, gru = rnnjax.LSTM(2, 3), rnnjax.GRU(2, 4)
    assert_refused(lambda: ONE.outputs(params, BATCH.x.T), "x")
    assert_refused(lambda: ONE.outputs(TWO.init(KEY), BATCH.x), "params")
    assert_refused(lambda: ONE.outputs(params, BATCH.x, jnp.ones(3, bool)), "counts")
    assert_refused(lambda: ONE.gradients(squared_error, params, zeros), "mask")
    narrow = BATCH.replace(y=BATCH.y[:, :1])
    assert_refused(lambda: ONE.gradients(squared_error, params, narrow), "y")
    assert_refused(lambda: ONE.gradients(None, params, BATCH), "loss")
    assert_refused(lambda: rnnjax.Bidirectional((lstm,), ()), "backward")
    assert_refused(lambda: rnnjax.Bidirectional((lstm,), (rnnjax.GRU(3, 4),)), "backward")
    assert_refused(lambda: rnnjax.Bidirectional((lstm, lstm), (gru, gru)), "forward")
