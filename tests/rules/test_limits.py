"""Approximations are exact in their limits, and wrong outside of them."""

import functools
import itertools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import rules, scaled
from rnnjax.losses import squared_error

T, N_X, N_H, N_Y = 7, 2, 4, 2
RNG = np.random.default_rng(2)
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, N_X))),
    y=jax.device_put(RNG.standard_normal((T, N_Y))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
LEAKY = rnnjax.Vanilla(N_X, N_H, N_Y, leak=0.6, gain=1.3)


def params_of(cell):
    return jax.tree.map(np.asarray, jax.jit(cell.init)(jax.random.key(0)))


def on_a_ring():
    """Parameters with which unit i hears i - 1 alone."""
    return params_of(LEAKY)._replace(W=1.1 * np.roll(np.eye(N_H), 1, axis=0))


@functools.cache
def exact_of(cell):
    return jax.jit(jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)))


def exact_gradient(cell, params):
    """By automatic differentiation, as an array of all parameters."""
    leaves = jax.tree.leaves(exact_of(cell)(params))
    return np.concatenate([np.ravel(leaf) for leaf in leaves])


def gradients(cell, params, *chosen, per_step=False):
    """Plain gradients of some rules, in one program, as arrays of all parameters."""

    @jax.jit
    def run(params):
        found = []
        for rule in chosen:
            state = rule.init(cell, params, BATCH, jax.random.key(0))
            out = rule(cell, squared_error, params, BATCH, state, per_step=per_step)
            leaves = jax.tree.leaves(scaled.plain(out.grads))
            found.append(jnp.concatenate([leaf.reshape(-1) for leaf in leaves]))
        return found

    return [np.asarray(found) for found in run(params)]


def assert_same(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max())


def differ(a, b):
    return np.abs(a - b).max() > 1e-6 * np.abs(b).max()


def test_without_leak_rflo_is_one_step_of_truncation():
    cell = rnnjax.Vanilla(N_X, N_H, N_Y, gain=1.3)
    params = params_of(cell)
    rflo, one = gradients(cell, params, rules.RFLO(), rules.BPTT(window=1))
    assert_same(rflo, one)
    assert differ(rflo, exact_gradient(cell, params))


@pytest.mark.wide
def test_without_recurrent_weights_leaky_traces_are_exact():
    params = params_of(LEAKY)
    chosen = rules.BPTT(), rules.RFLO(), rules.EProp(autapse=False), rules.SnAp(1)
    exact, *local = gradients(LEAKY, params._replace(W=jnp.zeros((N_H, N_H))), *chosen)
    for found in local:
        assert_same(found, exact)
    exact, *local = gradients(LEAKY, params, *chosen)
    assert all(differ(found, exact) for found in local)


@pytest.mark.wide
def test_rflo_with_the_readouts_own_feedback_is_e_prop_without_autapses():
    params = params_of(LEAKY)
    rflo, eprop, fed_back, random, wide = gradients(
        LEAKY,
        params,
        rules.RFLO(),
        rules.EProp(autapse=False),
        rules.RFLO(feedback=params.V.T),
        rules.RFLO(feedback=rules.random_feedback(jax.random.key(1), LEAKY, params)),
        rules.EProp(),
    )
    assert_same(rflo, eprop)
    assert_same(fed_back, rflo)
    assert differ(random, rflo) and differ(wide, eprop)
    # The readout learns from its own error whatever is fed back.
    np.testing.assert_allclose(random[-N_Y:], rflo[-N_Y:], rtol=1e-12)


@pytest.mark.parametrize("kind", ["lru", "diagonal W"])
def test_traces_within_a_unit_are_exact_where_no_unit_hears_another(kind):
    if kind == "lru":
        cell = rnnjax.LRU(N_X, N_H, N_Y)
        params = params_of(cell)
    else:
        cell, params = LEAKY, params_of(LEAKY)
        params = params._replace(W=np.diag(np.diag(params.W)))
    for found in gradients(cell, params, rules.SnAp(1), rules.EProp()):
        assert_same(found, exact_gradient(cell, params))


@pytest.mark.wide
def test_snap_2_is_rtrl_where_every_unit_hears_every_other():
    params = params_of(LEAKY)
    exact, snap_1, snap_2 = gradients(LEAKY, params, rules.RTRL(), rules.SnAp(1), rules.SnAp(2))
    assert_same(snap_2, exact)
    assert differ(snap_1, exact)


def test_snap_on_a_ring_is_exact_once_it_goes_round():
    """Unit i hears only i - 1: within n steps a weight reaches n units, in the end all."""
    exact = exact_gradient(LEAKY, on_a_ring())
    snaps = gradients(LEAKY, on_a_ring(), rules.SnAp(3), rules.SnAp(4))
    errors = [np.abs(found - exact).max() / np.abs(exact).max() for found in snaps]
    assert errors[0] > 1e-3 and errors[1] < 1e-12


def test_the_pattern_of_snap_grows_with_n():

    @jax.jit
    def patterns(params):
        states = [rules.SnAp(n).init(LEAKY, params, BATCH) for n in (2, 3, 4)]
        return [state.learned.influence for state in states]

    shares = [np.asarray(S) for found in patterns(on_a_ring()) for S in found.values()]
    assert all(np.all(b | ~a) for a, b in itertools.pairwise(shares))
    assert [s.mean() for s in shares] == [2 / N_H, 3 / N_H, 1.0]


@pytest.mark.wide
def test_the_fast_path_of_snap_1_is_the_general_one():
    """On an LSTM, whose output gate acts on h alone, and on a GRU."""
    for cell in (rnnjax.LSTM(N_X, 3, N_Y), rnnjax.GRU(N_X, 4, N_Y)):
        params = params_of(cell)
        exact, fast = gradients(cell, params, rules.RTRL(), rules.SnAp(1))
        expected = masked_rtrl(cell, params)
        assert_same(fast, expected)
        assert differ(fast, exact)


def masked_rtrl(cell, params):
    """SnAp-1 as it is written: the whole influence in NumPy, cut to the pattern of D_t."""
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    step = jax.jit(lambda w, h, x: cell.step(unflatten(w), h, x))
    D_of = jax.jit(jax.jacobian(step, 0))
    J_of = jax.jit(jax.jacobian(step, 1))
    loss = lambda w, h, y, m: m * squared_error(cell.readout(unflatten(w), h), y)  # noqa: E731
    by_w, by_h = jax.jit(jax.grad(loss, 0)), jax.jit(jax.grad(loss, 1))
    h, M, total = cell.initial_state(), np.zeros((cell.n_h, flat.size)), 0
    pattern = np.asarray(D_of(flat, jnp.ones(cell.n_h), jnp.ones(N_X))) != 0
    for x, y, m in zip(BATCH.x, BATCH.y, BATCH.mask, strict=True):
        D, J = np.asarray(D_of(flat, h, x)), np.asarray(J_of(flat, h, x))
        h = step(flat, h, x)
        M = pattern * (D + J @ M)
        total = total + np.asarray(by_h(flat, h, y, m)) @ M + np.asarray(by_w(flat, h, y, m))
    return total


def test_truncation_is_exact_once_the_window_holds_the_sequence():
    params = params_of(LEAKY)
    exact = exact_gradient(LEAKY, params)
    long, longer, short = gradients(
        LEAKY,
        params,
        rules.TruncatedBPTT(T),
        rules.TruncatedBPTT(T + 5),
        rules.TruncatedBPTT(T - 1),
    )
    assert_same(long, exact)
    assert_same(longer, exact)
    assert differ(short, exact)


@pytest.mark.wide
@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_along_a_lag_a_truncated_gradient_is_exactly_0_from_the_window_on(window):
    edges = tuple(range(T + 1))

    @jax.jit
    def run(key):
        params = LEAKY.init(key)
        return [
            jax.vmap(scaled.log_norm)(
                rules.gradient_by_lag(rule, LEAKY, squared_error, params, BATCH, (), edges)
            )
            for rule in (rules.BPTT(window=window), rules.BPTT())
        ]

    truncated, exact = run(jax.random.key(0))
    np.testing.assert_allclose(truncated[:window], exact[:window], rtol=1e-12)
    assert np.all(np.isneginf(truncated[window:])) and np.all(np.isfinite(exact))


def test_a_block_shows_lag_d_to_the_share_of_its_losses_that_have_it_inside():
    """(K - d) / K for d < K, counted in a chain of ones, where every lag is worth the same."""
    K, cell = 3, rnnjax.Chain(gain=1.0)
    params = rnnjax.cells.ChainParams(jnp.ones(()), jnp.ones(1), jnp.ones(()))
    batch = rnnjax.Batch(jnp.ones((6, 1)), jnp.zeros((6, 1)), jnp.ones(6))
    rule = rules.TruncatedBPTT(K)

    @jax.jit
    def run(params):
        state = rule.init(cell, params, batch)
        loss = lambda y_hat, y: y_hat[0]  # noqa: E731
        return scaled.plain(rule(cell, loss, params, batch, state).grads).w_x

    # sum over lags of the share of losses that see it, times T: 6 (3/3 + 2/3 + 1/3)
    np.testing.assert_allclose(run(params), [6 * (3 + 2 + 1) / 3], rtol=1e-14)


def test_the_state_goes_on_where_the_gradient_does_not():
    params = params_of(LEAKY)
    halves = [jax.tree.map(lambda a, cut=cut: a[cut], BATCH) for cut in (slice(3), slice(3, None))]
    rule = rules.TruncatedBPTT(3)

    @jax.jit
    def run(params):
        state = rule.init(LEAKY, params, BATCH)
        whole = rule(LEAKY, squared_error, params, BATCH, state)
        parts = []
        for half in halves:
            out = rule(LEAKY, squared_error, params, half, state)
            state = out.state
            parts.append((out.loss, scaled.plain(out.grads)))
        return (whole.loss, scaled.plain(whole.grads)), parts

    whole, (first, second) = run(params)
    for a, b, c in zip(*map(jax.tree.leaves, (whole, first, second)), strict=True):
        np.testing.assert_allclose(a, b + c, rtol=1e-12, atol=1e-14)


def test_forward_errors_are_those_of_backpropagation():
    params = params_of(LEAKY)
    exact = exact_gradient(LEAKY, params)
    both = rules.ForwardErrors(), rules.ForwardErrors(scale_free=False)
    for found in gradients(LEAKY, params, *both):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-9 * np.abs(exact).max())


def test_each_refusal_names_the_rule_the_cell_and_the_reason():
    cell = rnnjax.GRU(N_X, N_H, N_Y)
    params = jax.eval_shape(cell.init, jax.random.key(0))
    for rule, lacks in (
        (rules.RFLO(), "pre-activations"),
        (rules.KFRTRL(), "pre-activations"),
        (rules.ReverseKFRTRL(), "pre-activations"),
        (rules.EProp(autapse=False), "pre-activations"),
    ):
        message = f"{type(rule).__name__}: expected a cell with {lacks}, got GRU, "
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(lambda p, r=rule: r.init(cell, p, BATCH, jax.random.key(0)), params)
        if not rule.stochastic:
            with pytest.raises(ValueError, match=message):
                jax.eval_shape(lambda p, r=rule: r(cell, squared_error, p, BATCH), params)


def test_the_pattern_of_snap_follows_the_weights():
    """From W = I training makes W dense, and SnAp-2 the whole of RTRL."""
    rule, dense = rules.SnAp(2), params_of(LEAKY)

    @jax.jit
    def run(start, params):
        return rule(LEAKY, squared_error, params, BATCH, rule.init(LEAKY, start, BATCH))

    _, grads, state = run(dense._replace(W=np.eye(N_H)), dense)
    leaves = jax.tree.leaves(scaled.plain(grads))
    assert_same(np.concatenate([np.ravel(leaf) for leaf in leaves]), exact_gradient(LEAKY, dense))
    assert all(np.all(S) for S in state.learned.influence.values())


@pytest.mark.parametrize("shape", [(N_H, 1), (N_Y, N_H), (3, N_Y), (2, N_H, N_Y)])
@pytest.mark.parametrize("kind", [rules.RFLO, rules.EProp])
def test_feedback_of_another_shape_is_told(kind, shape):
    rule = kind(feedback=np.ones(shape))
    with pytest.raises(ValueError, match=r"^feedback: expected \(n_h, n_y\) = \(4, 2\), got \("):
        rule(LEAKY, squared_error, params_of(LEAKY), BATCH)


def test_a_block_begins_without_a_state_too():
    params = params_of(LEAKY)
    rule = rules.TruncatedBPTT(T)
    out = jax.jit(lambda params: rule(LEAKY, squared_error, params, BATCH))(params)
    leaves = jax.tree.leaves(scaled.plain(out.grads))
    found = np.concatenate([np.ravel(leaf) for leaf in leaves])
    assert_same(found, exact_gradient(LEAKY, params))
    with pytest.raises(ValueError, match=r"^state: expected a state of shape \(4,\), got float64"):
        rule(LEAKY, squared_error, params, BATCH, np.ones(3))
