import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes, rules, scaled
from rnnjax.losses import squared_error
from rnnjax.probes import alignment
from rnnjax.scaled import Scaled

T = 9
RNG = np.random.default_rng(3)
BATCH = rnnjax.Batch(
    x=jnp.asarray(RNG.standard_normal((T, 2))),
    y=jnp.asarray(RNG.standard_normal((T, 2))),
    mask=jnp.asarray(RNG.uniform(0.5, 1.5, T)),
)
CELL = rnnjax.Vanilla(2, 3, 2, leak=0.6, gain=1.4)
EDGES = (0, 1, 3, T)


def vectors(values, exponents):
    return Scaled(jnp.asarray(values, float), jnp.asarray(exponents, jnp.int32))


@jax.jit
def compare(a, b):
    return probes.versus(a, b)


def test_the_numbers_of_two_known_gradients():
    a = vectors([[3.0, 4.0, 0.0]] * 2, [0, 0])
    b = vectors([[4.0, 3.0, 0.0], [4.0, -3.0, 0.0]], [0, 0])
    found = compare(b, a)
    np.testing.assert_allclose(found["cosine"], 0.6)  # the mean of b is (4, 0, 0)
    np.testing.assert_allclose(found["mean_cosine"], (0.96 + 0.0) / 2)
    np.testing.assert_allclose(found["sign_agreement"], 1.0)
    np.testing.assert_allclose(found["log_norm"], np.log(4))
    np.testing.assert_allclose(found["log_bias"], np.log(np.hypot(1, 4)))
    np.testing.assert_allclose(found["log_spread"], np.log(3))
    assert found["reason"] == alignment.DEFINED


def test_nothing_depends_on_the_scale():
    a, b = RNG.standard_normal((2, 4, 5))
    near = compare(vectors(a, [0] * 4), vectors(b, [0] * 4))
    far = compare(vectors(a, [-40000] * 4), vectors(b, [30000] * 4))
    for name in ("cosine", "mean_cosine", "sign_agreement"):
        np.testing.assert_allclose(near[name], far[name], rtol=1e-14)
    np.testing.assert_allclose(far["log_norm"] - near["log_norm"], -40000 * np.log(2))


def test_an_angle_to_nothing_is_undefined_and_says_why():
    a, zero = vectors([[1.0, 2.0]], [0]), vectors([[0.0, 0.0]], [scaled.ZERO_EXPONENT])
    broken = vectors([[jnp.nan, 1.0]], [0])
    for other, reason in ((zero, alignment.ZERO), (broken, alignment.NOT_FINITE)):
        for found in (compare(a, other), compare(other, a)):
            assert np.isnan(found["cosine"]) and found["reason"] == reason
    assert np.isnan(compare(a, zero)["sign_agreement"])


@pytest.mark.parametrize("W", [0.0, 1.0])
def test_a_silent_network_says_so(W):
    """All weights 0: no state ever moves, and the exact gradient by W is 0."""

    @jax.jit
    def run(key):
        params = jax.tree.map(lambda p: W * p, CELL.init(key))
        draws = probes.recurrent_gradient(rules.BPTT(), CELL, squared_error, params, BATCH, ())
        return probes.is_silent(CELL, params, BATCH), probes.versus(draws, draws)

    silent, found = run(jax.random.key(0))
    assert bool(silent) == (W == 0)
    assert np.isnan(found["cosine"]) == (W == 0)


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
            by_lag = probes.by_lag(rule, CELL, squared_error, params, BATCH, state, EDGES)
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


def test_every_pair_of_rules_at_once():
    @jax.jit
    def run(key):
        params = CELL.init(key)
        draws = {}
        for name, rule in (("a", rules.BPTT()), ("b", rules.RFLO()), ("c", rules.UORO())):
            state = rule.init(CELL, params, BATCH, key)
            draws[name] = probes.recurrent_gradient(
                rule, CELL, squared_error, params, BATCH, state, n_draws=8
            )
        pair = probes.versus(draws["b"], draws["c"])
        return probes.compared(draws, reference="a"), pair, draws

    found, pair, draws = run(jax.random.key(2))
    assert found["cosine"].shape == (3, 3) and found["log_bias"].shape == (3,)
    np.testing.assert_allclose(np.diag(found["cosine"]), 1, rtol=1e-14)
    np.testing.assert_allclose(found["cosine"], found["cosine"].T, rtol=1e-14)
    np.testing.assert_allclose(found["mean_cosine"][1, 2], pair["mean_cosine"], rtol=1e-13)
    np.testing.assert_allclose(found["log_norm"][1], pair["log_norm"], rtol=1e-13)
    # Draws of a stochastic rule differ, those of another do not.
    assert len(np.unique(draws["c"].value[:, 0])) > 1
    assert len(np.unique(draws["b"].value[:, 0])) == 1
