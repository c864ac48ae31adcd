"""The gradient by the recurrent weights as a vector, split by the lag of use."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error

T = 9
RNG = np.random.default_rng(3)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 2))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
CELL = rnnjax.Vanilla(2, 3, 2, leak=0.6, gain=1.4)
EDGES = (0, 1, 3, T)


@pytest.fixture(scope="module")
def lags():
    """Gradients by lag, and the oracle: weights of their own at each step."""
    chosen = {
        "BPTT": rules.BPTT(),
        "RTRL": rules.RTRL(),
        "RFLO": rules.RFLO(),
        "SnAp": rules.SnAp(1),
        "block": rules.TruncatedBPTT(4),
    }

    def by_step_of_use(params):
        def last_loss(copies):
            h = CELL.initial_state()
            for t in range(T):
                h = CELL.step(jax.tree.map(lambda a, t=t: a[t], copies), h, BATCH.x[t])
            return BATCH.mask[-1] * squared_error(CELL.readout(params, h), BATCH.y[-1])

        copies = jax.tree.map(lambda p: jnp.broadcast_to(p, (T, *p.shape)), params)
        grads = jax.grad(last_loss)(copies)
        return jnp.concatenate([g.reshape(T, -1) for g in grads[:3]], axis=1)

    @jax.jit
    def run(key):
        params = CELL.init(key)
        found = {}
        for name, rule in chosen.items():
            state = rule.init(CELL, params, BATCH)
            by_lag = rules.gradient_by_lag(rule, CELL, squared_error, params, BATCH, state, EDGES)
            found[name] = jax.vmap(scaled.shift)(by_lag.value, by_lag.exponent)
        return found, by_step_of_use(params)

    return jax.tree.map(np.asarray, run(jax.random.key(1)))


def test_exact_rules_split_the_last_loss_by_the_lag_of_use(lags):
    found, by_use = lags
    by_lag = by_use[::-1]
    expected = [by_lag[a:b].sum(0) for a, b in itertools.pairwise(EDGES)]
    for name in ("BPTT", "RTRL"):
        np.testing.assert_allclose(found[name], expected, rtol=1e-11, atol=1e-14)


def test_local_rules_are_right_at_lag_0_and_wrong_behind_it(lags):
    found, _ = lags
    for name in ("RFLO", "SnAp"):
        np.testing.assert_allclose(found[name][0], found["BPTT"][0], rtol=1e-11, atol=1e-14)
        assert np.abs(found[name][1] - found["BPTT"][1]).max() > 1e-3


def test_a_block_ends_where_it_began(lags):
    """T = 9 in blocks of 4: the last loss is alone in its block."""
    found, _ = lags
    np.testing.assert_allclose(found["block"][0], found["BPTT"][0], rtol=1e-11, atol=1e-14)
    assert not found["block"][1:].any()


@pytest.mark.parametrize(
    "edges",
    [
        (2, 4),
        pytest.param([1, 3, 20], marks=pytest.mark.wide),
        pytest.param(np.array([0, 2]), marks=pytest.mark.wide),
    ],
)
def test_windows_that_begin_later_are_those_of_the_lags_of_use(lags, edges):
    """Without a state each rule starts as before the first sequence."""
    _, by_use = lags
    expected = [by_use[::-1][a:b].sum(0) for a, b in itertools.pairwise(edges)]

    @jax.jit
    def run(key):
        given = (CELL, squared_error, CELL.init(key), BATCH, (), edges)
        found = [rules.gradient_by_lag(rule, *given) for rule in (rules.BPTT(), rules.RTRL())]
        return [jax.vmap(scaled.shift)(each.value, each.exponent) for each in found]

    for got in run(jax.random.key(1)):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("rule", [rules.BPTT(), rules.RTRL()])
@pytest.mark.parametrize("edges", [(0, 4, 2), (0, 2, 2), (0.0, 1.0), (-1, 2), (0,), 3, "ab"])
def test_edges_that_are_no_windows_are_told(rule, edges):
    params = CELL.init(jax.random.key(1))
    with pytest.raises(ValueError, match=r"^edges: expected .* whole number"):
        rules.gradient_by_lag(rule, CELL, squared_error, params, BATCH, (), edges)


def test_what_has_no_recurrent_gradient_or_no_lags_is_told():
    params = CELL.init(jax.random.key(1))
    given = (squared_error, params, BATCH, ())
    with pytest.raises(ValueError, match=r"^key: expected a key, because UORO draws"):
        rules.recurrent_gradient(rules.UORO(), CELL, *given)
    penalised = rnnjax.penalties.Penalised(rules.RTRL(), rnnjax.penalties.Flossing(1))
    with pytest.raises(ValueError, match=r"^rule: expected one that goes back or an online rule"):
        rules.gradient_by_lag(penalised, CELL, *given, (0, 1))
