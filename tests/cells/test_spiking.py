"""Spiking units: decays, the surrogate's gradient, and e-prop's factorisation of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import probes, scaled
from rnnjax.cells.spiking import surrogate
from rnnjax.cells.spiking.alif import ALIF
from rnnjax.cells.spiking.lif import LIF
from rnnjax.losses import squared_error
from rnnjax.rules import structure
from tests.cells.agreement import gradient_norms, measured_of, relative_error
from tests.crossed import wide_but

KEY = jax.random.key(1)
T, N = 60, 5
HALF_ADAPT = np.array([0.0, 0.0, 0.05, 0.1, 0.02])
# Weaker input than at the start keeps potentials near the threshold, where slopes are not 0.
CELLS = {
    "LIF": LIF(3, N, 2, input_gain=0.3),
    "ALIF": ALIF(3, N, 2, input_gain=0.3, tau_adaptation=200.0, beta=HALF_ADAPT),
}
ALPHA, RHO = np.exp(-1 / 20), np.exp(-1 / 200)


def normals(*shapes):
    rng = np.random.default_rng(0)
    return [jax.device_put(rng.standard_normal(shape)) for shape in shapes]


BATCH = rnnjax.Batch(*normals((T, 3), (T, 2)), mask=np.linspace(0.5, 1.5, T))
OF_EACH = pytest.mark.parametrize("name", wide_but(["ALIF"], CELLS))


def silence(n_steps):
    return rnnjax.Batch(np.zeros((n_steps, 3)), np.zeros((n_steps, 2)), np.ones(n_steps))


@jax.jit
def params_of(cell):
    return cell.init(KEY)


@jax.jit
def unrolled(cell, params, x):
    return rnnjax.unroll(cell, params, x).states.value


def states_of(cell, params, x):
    """s, v and, where there is one, a, (T, n) each."""
    return np.split(np.asarray(unrolled(cell, params, x)), cell.n_h // N, axis=1)


@functools.cache
def measured(name):
    cell = CELLS[name]
    rules = {"BPTT": rnnjax.BPTT()}
    if name == "LIF":  # both have a tangent of the class of that of CoRNN, with RTRL in every run
        rules["RTRL"] = rnnjax.rules.RTRL()
    return measured_of(cell, rules, BATCH, KEY)


def test_the_surrogate_slope_is_a_triangle_of_area_k():
    """k / theta at the threshold, 0 from theta away, while the spike itself is 0 or 1."""
    e = jnp.linspace(-1, 1, 2001) * 1.24
    s, psi = jax.jit(jax.vmap(jax.value_and_grad(lambda e: surrogate.spike(e, 0.62, 0.3))))(e)
    np.testing.assert_array_equal(s, np.asarray(e) > 0)
    np.testing.assert_allclose(psi, 0.3 / 0.62 * np.maximum(0, 1 - np.abs(e) / 0.62), atol=1e-15)
    np.testing.assert_allclose(np.trapezoid(psi, e), 0.3, rtol=1e-6)


@OF_EACH
def test_a_sequence_is_the_equations(name):
    """With the reset by theta, the adaptation, and no weight of a unit onto itself."""
    cell = CELLS[name]
    p = jax.tree.map(np.asarray, params_of(cell))
    p = p._replace(W=p.W + np.diag(np.full(N, 7.0)), b=np.full(N, 0.1))
    s, v, a = np.zeros((3, N))
    W, beta = p.W - np.diag(np.diag(p.W)), HALF_ADAPT if name == "ALIF" else 0
    found = states_of(cell, p, BATCH.x)
    for t in range(T):
        v = ALPHA * v + W @ s + p.U @ np.asarray(BATCH.x[t]) + p.b - 0.62 * s
        a = RHO * a + s
        s = (v - 0.62 - beta * a > 0).astype(float)
        np.testing.assert_array_equal(found[0][t], s)
        np.testing.assert_allclose(found[1][t], v, atol=1e-12)
        if name == "ALIF":
            np.testing.assert_allclose(found[2][t], a, atol=1e-12)
    assert 0 < np.mean(found[0]) < 1
    y_hat = jax.jit(cell.readout)(p, np.concatenate([s, v, a]))
    np.testing.assert_allclose(y_hat, p.V @ s + p.c)


@jax.jit
def silent_steps(cell, params, start):
    return jax.lax.scan(lambda h, x: (cell.step(params, h, x), h), start, jnp.zeros((40, 3)))[1]


@pytest.mark.parametrize(
    ("tau", "tau_adaptation", "half_life"),
    [(20.0, 200.0, (13.863, 138.63)), (20.0, 500.0, (13.863, 346.57))],
)
def test_below_threshold_potential_and_adaptation_decay(tau, tau_adaptation, half_life):
    """v by exp(-1/20) = 0.951229 a step, a by exp(-1/200) or exp(-1/500)."""
    cell = ALIF(3, N, 2, tau=tau, tau_adaptation=tau_adaptation)
    params = params_of(cell)
    h = np.asarray(silent_steps(cell, params, np.repeat([0.0, 0.5, 1.0], N)))
    for entries, tau_of, half in zip((slice(5, 10), slice(10, 15)), (tau, tau_adaptation),
                                     half_life, strict=True):  # fmt: skip
        logs = np.log(h[:, entries])
        slopes = np.diff(logs, axis=0)
        np.testing.assert_allclose(slopes, np.full_like(slopes, -1 / tau_of), atol=1e-13)
        np.testing.assert_allclose(-np.log(2) / slopes[0, 0], half, rtol=5e-5)
    assert not np.any(h[:, :5])


@OF_EACH
def test_the_exponents_of_silent_units_are_their_decays(name):
    """-1/20 for each potential, -1/200 for each adaptation, and -inf for each spike."""
    cell = CELLS[name]
    params = params_of(cell)._replace(b=np.full(N, -0.1))
    found = jax.jit(
        lambda p: probes.lyapunov_spectrum(cell, None, p, silence(340), n_discarded=300)[
            "exponents"
        ]
    )(params)
    expected = [-1 / 200] * (N if name == "ALIF" else 0) + [-1 / 20] * N + [-np.inf] * N
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_gradient_within_a_silent_unit_halves_in_the_half_life_of_its_potential():
    """From far below threshold, where the surrogate slope is 0: 13.863 steps."""
    cell = CELLS["LIF"]
    params = params_of(cell)._replace(b=np.full(N, -0.1))
    lags = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, silence(40))["log_norm"])(params)
    falls = np.diff(lags)[5:]
    np.testing.assert_allclose(falls, np.full_like(falls, -1 / 20), atol=1e-12)
    np.testing.assert_allclose(-np.log(2) / falls[-1], 13.863, rtol=5e-5)


def test_at_the_threshold_the_surrogate_reset_forgets_besides():
    """dv_{t+1}/dv_t = alpha - theta psi: at the threshold alpha - k, not alpha."""
    cell = LIF(3, 1, 1, gain=0.0)
    params = params_of(cell)
    z = (1 - ALPHA) * 0.62  # keeps v at the threshold

    @jax.jit
    @jax.grad
    def twice(v):
        h = jnp.stack([jnp.zeros(()), v])
        h = cell.step_from_preactivation(h, jnp.full(1, z))
        after = cell.step_from_preactivation(h, params.b)
        return after[1]

    np.testing.assert_allclose(twice(0.62), ALPHA * (ALPHA - 0.3), rtol=1e-12)


@OF_EACH
def test_exact_rules_find_the_gradient_of_the_surrogate_network(name):
    found = measured(name)
    for rule, out in found["rules"].items():
        assert relative_error(out, found["oracle"]) < 1e-12, rule
    assert np.max(np.abs(found["oracle"][1].W)) > 1e-3
    np.testing.assert_array_equal(np.diag(found["oracle"][1].W), 0)


@OF_EACH
def test_the_norm_by_lag_is_that_of_automatic_differentiation(name):
    cell = CELLS[name]
    params = params_of(cell)

    lags, states = np.array([1, 7, 40]), np.asarray(unrolled(cell, params, BATCH.x))
    norms = gradient_norms(cell, params, BATCH, states[T - 1 - lags], lags)
    assert np.all(norms > 0)
    np.testing.assert_allclose(measured(name)["lags"][lags], np.log(norms), atol=1e-12)


@OF_EACH
def test_a_spike_adds_no_rank(name):
    """n exponents are -inf, as is the mean log determinant; all others are finite."""
    found = measured(name)
    assert np.sum(found["spectrum"] == -np.inf) == N
    assert np.all(np.isfinite(found["spectrum"][:-N]))
    assert found["log_det"] == -np.inf


def eprop(cell, params, batch, spikes_carry_adaptation):
    """Sum over t of the total learning signal dE/ds_t times the eligibility trace of step t.

    Bellec et al.: what leaves a unit by its spikes (weights, reset, readout) is in dE/ds_t, the way
    through its potential and its adaptation is in the trace. With `spikes_carry_adaptation` the way
    from a spike into the unit's own adaptation is in dE/ds_t too, and the trace is psi eps_v.
    """
    n, beta = N, jnp.broadcast_to(getattr(cell, "beta", 0.0), N)
    W = params.W - jnp.diag(jnp.diag(params.W))

    def run(eta):
        def step(carry, at):
            (own, s, v, a), (x, eta) = carry, at
            v_new = ALPHA * v + W @ s + params.U @ x + params.b - 0.62 * s
            a_new = RHO * a + (s if spikes_carry_adaptation else own)
            e = v_new - 0.62 - beta * a_new
            own = surrogate.spike(e, 0.62, 0.3)
            return (own, own + eta, v_new, a_new), (own + eta, surrogate.slope(e, 0.62, 0.3))

        _, (s, psi) = jax.lax.scan(step, (jnp.zeros(n),) * 4, (batch.x, eta))
        y_hat = s @ params.V.T + params.c[None]
        losses = jax.vmap(squared_error)(y_hat, batch.y)
        return jnp.sum(batch.mask * losses), (s, psi)

    signal, (s, psi) = jax.grad(run, has_aux=True)(jnp.zeros((len(batch.x), n)))

    def trace(carry, at):
        (eps_v, eps_a, psi_before), (presynaptic, psi) = carry, at
        before = psi_before[:, None] * (eps_v - beta[:, None] * eps_a)
        eps_a = RHO * eps_a + (0 if spikes_carry_adaptation else before)
        eps_v = ALPHA * eps_v + presynaptic[None]
        e = psi[:, None] * (eps_v - beta[:, None] * eps_a)
        return (eps_v, eps_a, psi), e

    s_before = jnp.concatenate([jnp.zeros((1, n)), s[:-1]])
    seen = jnp.concatenate([s_before, batch.x, jnp.ones((len(batch.x), 1))], axis=1)
    none = jnp.zeros((n, seen.shape[1]))
    _, e = jax.lax.scan(trace, (none, none, jnp.zeros(n)), (seen, psi))
    return signal, jnp.split(jnp.einsum("ti,tij->ij", signal, e), [n, n + 3], axis=1)


@pytest.mark.parametrize("spikes_carry_adaptation", [False, True])
@OF_EACH
def test_the_total_learning_signal_times_the_trace_is_the_gradient(name, spikes_carry_adaptation):
    """The factorisation of e-prop is exact with dE/ds_t in full, for W, U and b."""
    cell = CELLS[name]
    params = params_of(cell)
    factored = jax.jit(lambda p: eprop(cell, p, BATCH, spikes_carry_adaptation))
    signal, (W, U, b) = factored(params)
    exact = measured(name)["oracle"][1]
    W = W - np.diag(np.diag(W))
    assert relative_error((W, U, b[:, 0]), (exact.W, exact.U, exact.b)) < 1e-12
    assert np.max(np.abs(signal)) > 0.1


@OF_EACH
def test_the_adjoint_of_a_spike_is_the_total_learning_signal(name):
    """dL_T/ds_t of the all-lags pass, the loss falling due at T alone; adaptation is in it."""
    cell = CELLS[name]
    params = params_of(cell)
    last = BATCH.replace(mask=np.append(np.zeros(T - 1), 1.0))

    @jax.jit
    def both(params):
        delta = rnnjax.adjoint.adjoint(cell, squared_error, params, last)
        return scaled.plain(delta), eprop(cell, params, last, True)[0]

    delta, signal = both(params)
    scale = np.max(np.abs(signal))
    np.testing.assert_allclose(delta[1:, :N], signal, atol=1e-12 * scale)
    assert np.max(np.abs(signal[: T // 2])) > 0


@OF_EACH
def test_the_rule_eprop_is_exact_where_no_unit_hears_another(name):
    """Its trace holds the reset and its signal is that of the step: with W = 0 nothing is lost."""
    rule = rnnjax.rules.EProp(autapse=False)

    def both(gain):
        cell = CELLS[name].replace(gain=gain)
        params = cell.init(KEY)
        grads = rule(cell, squared_error, params, BATCH, rule.init(cell, params, BATCH)).grads
        exact = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH))(params)
        return scaled.plain(grads), exact

    found = jax.tree.map(np.asarray, jax.jit(jax.vmap(both))(np.arange(2.0)))
    apart, coupled = (jax.tree.map(lambda a, i=i: a[i], found) for i in range(2))
    assert relative_error(*apart) < 1e-12
    assert relative_error(*coupled) > 0.01


@OF_EACH
def test_no_unit_hears_itself(name):
    cell = CELLS[name]
    params = params_of(cell)
    other = params._replace(W=params.W + 5 * np.eye(N))
    for one, two in zip(*(states_of(cell, p, BATCH.x) for p in (params, other)), strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(np.diag(params.W), 0)


def test_without_beta_an_adaptive_network_is_a_plain_one():
    plain, adaptive = LIF(3, N, 2), ALIF(3, N, 2, beta=0.0)
    params = params_of(plain)
    for one, two in zip(
        states_of(plain, params, BATCH.x), states_of(adaptive, params, BATCH.x)[:2], strict=True
    ):
        np.testing.assert_array_equal(one, two)
    gradients = [
        jax.jit(jax.grad(lambda p, cell=cell: rnnjax.sequence_loss(cell, squared_error, p, BATCH)))(
            params
        )
        for cell in (plain, adaptive)
    ]
    assert relative_error(*gradients) < 1e-13


def test_units_fire_sensibly_on_white_noise_at_the_published_start():
    """No unit is silent, none always on, and adaptation lowers the rate."""
    x = jax.random.normal(jax.random.key(5), (1000, 3))

    def rates(cell):
        return np.mean(np.asarray(unrolled(cell, params_of(cell), x))[:, :20], axis=0)

    plain, adaptive = rates(LIF(3, 20)), rates(ALIF(3, 20))
    for found in (plain, adaptive):
        assert np.all((found > 0.01) & (found < 0.9))
        assert 0.05 < np.mean(found) < 0.6
    assert np.mean(adaptive) < np.mean(plain) - 0.05


@OF_EACH
def test_float32_has_the_gradient_of_float64_on_the_same_spikes(name):
    cell = CELLS[name]
    params = params_of(cell)

    def run(dtype):
        own, p, batch = jax.tree.map(lambda a: np.asarray(a, dtype), (cell, params, BATCH))
        grads = rnnjax.BPTT()(own, squared_error, p, batch, None).grads
        return scaled.plain(grads), rnnjax.unroll(own, p, batch.x).states.value[:, :N]

    (exact, spikes), (found, same) = (
        jax.tree.map(np.asarray, jax.jit(run, static_argnums=0)(d)) for d in ("float64", "float32")
    )
    assert all(a.dtype == np.float32 for a in jax.tree.leaves(found))
    np.testing.assert_array_equal(spikes, same)
    assert relative_error(found, exact) < 1e-5


@pytest.mark.parametrize("cell", [LIF(4, 30), ALIF(4, 30)], ids=["LIF", "ALIF"])
def test_a_weight_is_seen_to_reach_the_spikes_in_networks_of_any_size(cell):
    """Sums over many units must not leave the window of the surrogate slope."""
    params = jax.eval_shape(cell.init, KEY)
    reached = structure.reach(cell, params, np.zeros(4))
    for pattern in reached.values():
        by_unit = pattern.reshape(cell.traits.entries_per_unit, 30, -1).any(axis=(1, 2))
        assert by_unit[0] and by_unit[1]
