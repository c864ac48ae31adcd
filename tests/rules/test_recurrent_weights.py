"""The gradient by the recurrent weights as a vector, split by the lag of use."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error
from rnnjax.rules.problem import Problem

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


def steps_by_hand(params):
    """States, slopes, Jacobians and direct influences of CELL, in NumPy, and g of the last step."""
    W, U, b, V, c = (np.asarray(p) for p in params)
    h, found = np.zeros(len(b)), []
    for x in np.asarray(BATCH.x):
        slope = 0.6 * (1 - np.tanh(W @ h + U @ x + b) ** 2)
        J = 0.4 * np.eye(len(h)) + slope[:, None] * W
        # By weight (unit i, row i), in the order W, U, b.
        D = [slope[:, None] * part for part in (np.tile(h, (3, 1)), np.tile(x, (3, 1)), 1.0)]
        h = 0.4 * h + 0.6 * np.tanh(W @ h + U @ x + b)
        found.append((J, D))
    return found, h, V, c


def kernl_by_hand(params, zeta, rate):
    """The gradient of the last loss by lag, g A diag(kappa products) D, with the learned kernel."""
    steps, h, V, c = steps_by_hand(params)
    A, alpha = np.eye(3), np.full(3, 0.8)
    u, Omega, Gamma, kernels = np.zeros(3), np.zeros(3), np.zeros(3), []
    for (J, _), noise in zip(steps, zeta, strict=True):
        kernels.append((A, 1 - alpha))
        u, Gamma, Omega = J @ u + noise, (1 - alpha) * Gamma - Omega, (1 - alpha) * Omega + noise
        error, size = A @ Omega - u, Omega @ Omega
        A, alpha = (
            A - rate * np.outer(error, Omega) / size,
            np.clip(alpha - rate * (error @ A) * Gamma / size, 0, 1),
        )
    s = 2 * float(BATCH.mask[-1]) * (V @ h + c - np.asarray(BATCH.y[-1])) @ V / OUTPUTS
    s, by_lag = s @ kernels[-1][0], []
    for (_, D), (_, kappa) in zip(reversed(steps), reversed(kernels), strict=True):
        by_lag.append(np.concatenate([np.ravel(s[:, None] * d) for d in D]))
        s = s * kappa
    return np.array(by_lag)


def perturbed_by_hand(params, xi, sigma):
    """The gradient of the last loss by lag, (l(h') - l(h)) / sigma times xi D of each step."""
    steps, h, V, c = steps_by_hand(params)
    W, U, b = (np.asarray(p) for p in params[:3])
    other = np.zeros(3)
    for x, noise in zip(np.asarray(BATCH.x), xi, strict=True):
        other = 0.4 * other + 0.6 * np.tanh(W @ other + U @ x + b) + sigma * noise
    y, weight = np.asarray(BATCH.y[-1]), float(BATCH.mask[-1]) / OUTPUTS
    gain = weight * (np.sum((V @ other + c - y) ** 2) - np.sum((V @ h + c - y) ** 2)) / sigma
    parts = [
        np.concatenate([np.ravel(noise[:, None] * d) for d in D])
        for (_, D), noise in zip(steps, xi, strict=True)
    ]
    return gain * np.array(parts[::-1])


OUTPUTS = float(squared_error(jnp.array([1.0, 0.0]), jnp.zeros(2))) ** -1


def test_what_a_rule_is_beside_its_influence_goes_on_where_a_window_begins():
    """The kernel of KeRNL, learned by the way, and the perturbed network of node perturbation."""
    xi = RNG.standard_normal((T, 3))
    kernl, perturbation = rules.KeRNL(rate=0.3), rules.NodePerturbation(0.1, xi=xi)

    @jax.jit
    def run(key):
        params = CELL.init(key)
        state = kernl.init(CELL, params, BATCH, key)
        now, _ = jax.random.split(state.key)
        zeta = kernl.noise(Problem(CELL, squared_error, params), now, T).transport
        found = [
            rules.gradient_by_lag(rule, CELL, squared_error, params, BATCH, state, EDGES)
            for rule, state in (
                (kernl, state),
                (perturbation, perturbation.init(CELL, params, BATCH, key)),
            )
        ]
        return params, zeta, [jax.vmap(scaled.shift)(g.value, g.exponent) for g in found]

    params, zeta, found = jax.tree.map(np.asarray, run(jax.random.key(1)))
    by_hand = kernl_by_hand(params, zeta, 0.3), perturbed_by_hand(params, xi, 0.1)
    for got, by_lag in zip(found, by_hand, strict=True):
        expected = [by_lag[a:b].sum(0) for a, b in itertools.pairwise(EDGES)]
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12 * np.abs(by_lag).max())


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
    for of, rest in ((rules.recurrent_gradient, ()), (rules.gradient_by_lag, ((0, 1),))):
        with pytest.raises(ValueError, match=r"^rule: expected a rule, .* got 'RTRL'"):
            of("RTRL", CELL, *given, *rest)
