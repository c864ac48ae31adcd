import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import scaled
from rnnjax.losses import squared_error
from tests.crossed import wide_but
from tests.discovery import SIZES, cells_found
from tests.rules.gradient_table import by_loss_and_use
from tests.stand_ins import of_normals

T = 6
RNG = np.random.default_rng(0)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, SIZES["n_x"]))),
    y=jax.device_put(RNG.standard_normal((T, SIZES["n_y"]))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
CELL = rnnjax.Vanilla(SIZES["n_x"], 3, SIZES["n_y"])
PARAMS = of_normals(CELL.init, jax.random.key(0))
LAG = np.subtract.outer(np.arange(T), np.arange(T))
# One cell of every way through the code: carried with a scale, without a drive, complex, chained.
KINDS = ["Vanilla-relu", "LSTM", "LRU", "Chain", "Jordan-one-feedback"]


@functools.cache
def table_by_autodiff():
    return by_loss_and_use(CELL, PARAMS, BATCH)


@pytest.mark.parametrize("decay", [0.0, 0.3, 1.0])
def test_a_lag_counts_with_the_power_of_the_decay(decay):
    weight = np.where(LAG >= 0, decay ** np.maximum(LAG, 0), 0)

    @jax.jit
    def run(decay):
        rule = rnnjax.DiscountedRTRL(decay)
        grads = rule(CELL, squared_error, PARAMS, BATCH, (), per_step=True).grads
        return scaled.plain(grads)

    for got, table in zip(run(decay), table_by_autodiff(), strict=True):
        expected = np.einsum("ts...,ts->t...", np.asarray(table), weight)
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.wide
@pytest.mark.parametrize("name", wide_but(KINDS[:1], KINDS))
def test_without_decay_it_is_jax_grad(name):
    cell = cells_found()[name]
    batch = BATCH.replace(x=BATCH.x[:, : cell.n_x], y=BATCH.y[:, : cell.n_y])

    @jax.jit
    def run(key):
        params = cell.init(key)
        trace = rnnjax.DiscountedRTRL()(cell, squared_error, params, batch)
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch)  # noqa: E731
        return (trace.loss, scaled.plain(trace.grads)), jax.value_and_grad(loss)(params)

    got, expected = run(jax.random.key(3))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(np.max(np.abs(b)), 1e-3))


@pytest.mark.wide
def test_it_carries_on_where_floats_end(float32):
    """A linear chain at gain 10 over 50 steps, a loss at the end: d/dw_n = sum_k k 10^(k-1)."""
    n = 50
    cell = rnnjax.Chain(gain=10.0)
    params = rnnjax.cells.ChainParams(jnp.float32(10), jnp.ones(1), jnp.float32(1))
    batch = rnnjax.Batch(jnp.ones((n, 1)), jnp.zeros((n, 1)), jnp.zeros(n).at[-1].set(1.0))
    run = jax.jit(
        lambda p: rnnjax.DiscountedRTRL()(cell, lambda y_hat, y: jnp.sum(y_hat), p, batch).grads
    )
    got = scaled.log_norm(run(params).w_n)
    expected = np.log(float(sum(k * 10 ** (k - 1) for k in range(1, n))))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_only_an_undecayed_trace_calls_itself_exact():
    assert rnnjax.DiscountedRTRL().exact
    assert not rnnjax.DiscountedRTRL(0.5).exact
