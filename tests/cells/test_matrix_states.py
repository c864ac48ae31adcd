"""Cells with a matrix for a memory: their exponents, eigenvalues and scans in closed form."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, parallel, probes, scaled, scan, tangents
from rnnjax.cells.matrix_states import matrix_memory
from rnnjax.cells.matrix_states.delta_net import DeltaNet, DeltaNetParams
from rnnjax.cells.matrix_states.gated_delta_net import GatedDeltaNet
from rnnjax.cells.matrix_states.gated_linear_attention import GatedLinearAttention
from rnnjax.cells.matrix_states.mlstm import MLSTM
from rnnjax.cells.matrix_states.retention import Retention
from rnnjax.losses import squared_error
from rnnjax.rules import structure

KEY = jax.random.key(3)
N, T, DISCARDED = 3, 50, 25
CELLS = {
    "MLSTM": MLSTM(2, N, 2, gate_gain=1.0),
    "GatedLinearAttention": GatedLinearAttention(
        2,
        N,
        2,
        temperature=2.0,
        gate_gain=0.3,
        forget_bias=np.array([-6.0, 3.0, -2.0]),
    ),
    "Retention": Retention(2, N, 2, head=1),
    "DeltaNet": DeltaNet(2, N, 2),
    "DeltaNet-negative": DeltaNet(2, N, 2, negative=True),
    "GatedDeltaNet": GatedDeltaNet(2, N, 2, negative=True, A_max=1.0),
}
STABILISED = CELLS["MLSTM"].replace(stabilised=True)
ELEMENTWISE = ("MLSTM", "GatedLinearAttention", "Retention")
DELTA = ("DeltaNet", "DeltaNet-negative", "GatedDeltaNet")
# One of each structure of the Jacobian; contract tests take all cells. Negative eigenvalues are
# those of the gated one.
USUALLY = ["GatedDeltaNet"]
WIDELY = [
    pytest.param(name, marks=pytest.mark.wide)
    for name in ("MLSTM", "MLSTM-stabilised", "GatedLinearAttention", "Retention", "DeltaNet")
]


def sequence(n_steps=T, size=1.0, n_x=2):
    numbers = np.random.default_rng(1).standard_normal((n_steps, n_x + 2))
    return rnnjax.Batch(size * numbers[:, :n_x], numbers[:, n_x:], np.ones(n_steps))


@jax.jit
def _states(cell, params, x):
    def step(h, x):
        h = cell.step(params, h, x)
        return h, h

    return jax.lax.scan(step, cell.initial_state(), x)[1]


def states(cell, params, x):
    return _states(cell, params, x)


@jax.jit
def params_of(cell):
    return cell.init(KEY)


@jax.jit
def drives(cell, params, batch):
    return jax.vmap(lambda x: cell.drive(params, x))(batch.x)


def sigmoid(q):
    return 1 / (1 + np.exp(-np.asarray(q)))


@jax.jit
def _spectrum(cell, params, batch):
    # Directions lie within what later steps read after one step, along exponents after some.
    found = probes.lyapunov_spectrum(cell, None, params, batch, n_discarded=DISCARDED)
    return found["exponents"]


def spectrum(cell, params, batch):
    """Exponents but for those of entries that no later step reads, which are -inf."""
    found = np.asarray(_spectrum(cell, params, batch))
    n_read = cell.n_h - dynamics.traits(cell).n_unread
    assert np.all(found[n_read:] == -np.inf)
    return found[:n_read]


def largest_difference(got, expected):
    """Largest difference of any two leaves, over the largest entry of the leaf."""
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs)


@pytest.mark.parametrize("name", USUALLY + WIDELY)
def test_exact_rules_and_all_lags_equal_jax_grad(name):
    """Where the Jacobian is elementwise, SnAp-1 is exact too."""
    cell = STABILISED if name == "MLSTM-stabilised" else CELLS[name]
    params, batch = params_of(cell), sequence(6)
    used = [rnnjax.BPTT(), *[rnnjax.rules.SnAp(1)] * (name in ELEMENTWISE)]
    # RTRL adds products with matrices, which the test of the tangent has of the usual ones.
    used += [rnnjax.rules.RTRL()] * (name not in USUALLY)

    def last_loss(params, moved):
        def step(h, at):
            return cell.step(params, h, at[0]) + at[1], None

        h = jax.lax.scan(step, cell.initial_state() + moved[0], (batch.x, moved[1:]))[0]
        return squared_error(cell.readout(params, h), batch.y[-1])

    @jax.jit
    def measured(params):
        expected = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(params)
        got = [
            scaled.plain(r(cell, squared_error, params, batch, r.init(cell, params, batch)).grads)
            for r in used
        ]
        lags = probes.log_norm_by_lag(cell, squared_error, params, batch)["log_norm"]
        by_lag = jax.grad(last_loss, argnums=1)(params, jnp.zeros((7, cell.n_h)))
        return got, expected, lags, jnp.log(jnp.linalg.norm(by_lag[::-1], axis=1))

    got, expected, lags, by_lag = measured(params)
    for grads in got:
        assert largest_difference(grads, expected) < 1e-12
    np.testing.assert_allclose(lags, by_lag, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_states_by_an_associative_scan_are_those_of_the_scan(name):
    cell, batch = CELLS[name], sequence(50)
    params = params_of(cell)
    expected = np.asarray(states(cell, params, batch.x))
    assert np.max(np.abs(expected)) < 100
    got = jax.jit(lambda p, x: parallel.linear_states(cell, p, x))(params, batch.x)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_an_mlstm_decays_as_a_whole_by_its_forget_gate():
    """At the published start W_f = 0, and every exponent is ln s(3)."""
    cell = MLSTM(2, N, 2)
    found = spectrum(cell, params_of(cell), sequence())
    assert found.shape == (N * N + N,)
    np.testing.assert_allclose(found, math.log(1 / (1 + math.exp(-3))), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found[0], -0.0485874, atol=5e-8)


def test_exponents_of_an_mlstm_are_the_mean_log_of_its_forget_gate():
    cell, batch = CELLS["MLSTM"], sequence()
    params = params_of(cell)
    f = np.asarray(drives(cell, params, batch))[DISCARDED:, -1]
    expected = np.mean(np.log(sigmoid(f)))
    np.testing.assert_allclose(spectrum(cell, params, batch), expected, rtol=0, atol=1e-13)


def test_the_other_forget_gate_of_an_mlstm_is_an_exponential():
    cell = CELLS["MLSTM"].replace(exponential_forget=True)
    params, x = params_of(cell), np.array([0.3, -0.7])
    factors = jax.jit(lambda p, x: cell.transition(p, cell.drive(p, x))[0])(params, x)
    q = np.asarray(params.U)[-1] @ x + np.asarray(params.b)[-1]
    np.testing.assert_allclose(factors, np.exp(q), rtol=1e-15)


@jax.jit
def outputs_and_gradient(cell, params, batch):
    h = _states(cell, params, batch.x)
    gradient = jax.grad(lambda p: rnnjax.sequence_loss(cell, squared_error, p, batch))(params)
    return jax.vmap(lambda h: cell.output(params, h))(h), gradient


@functools.cache
def without_stabiliser():
    """An mLSTM whose input gates span ten orders of magnitude, and both denominators occur."""
    cell, batch = CELLS["MLSTM"].replace(gate_gain=3.0, input_bias_gain=0.0), sequence()
    params = params_of(cell)
    h = np.asarray(states(cell, params, batch.x))
    normalisers = np.sum(h[:, N * N : N * N + N] * h[:, -2 * N : -N], axis=1)
    shares = np.mean(np.abs(normalisers) > 1)
    return cell, params, batch, outputs_and_gradient(cell, params, batch), shares


def test_the_stabiliser_of_an_mlstm_changes_no_output_and_no_gradient():
    cell, params, batch, expected, share = without_stabiliser()
    assert 0.1 < share < 0.9
    got = outputs_and_gradient(cell.replace(stabilised=True), params, batch)
    assert largest_difference(got, expected) < 1e-12


@pytest.mark.parametrize(
    ("variant", "least"), [({"epsilon": 1e-6}, 1e-9), ({"floor_of_stabilised": True}, 1e-2)]
)
def test_with_other_denominators_the_stabiliser_of_an_mlstm_is_seen(variant, least):
    cell, params, batch, _, _ = without_stabiliser()
    cell = cell.replace(**variant)
    plain = outputs_and_gradient(cell, params, batch)
    stabilised = outputs_and_gradient(cell.replace(stabilised=True), params, batch)
    assert largest_difference(stabilised, plain) > least


def test_a_stabilised_mlstm_is_finite_where_the_plain_one_is_not(float32):
    """e^100 is out of the range of float32, and outputs do not need it; nor e^-100 or s(-60)."""
    cell, batch = MLSTM(2, N, 2, stabilised=True), sequence()
    params = jax.jit(cell.init)(KEY)
    for biases in ((100.0, -60.0), (-100.0, 3.0)):
        at = params._replace(b=np.append(params.b[:-2], np.float32(biases)))
        single = outputs_and_gradient(cell, at, jax.tree.map(np.float32, batch))
        assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(single))
        with jax.enable_x64(True):
            wide = jax.tree.map(lambda a: np.asarray(a, np.float64), (at, batch))
            double = outputs_and_gradient(cell.replace(stabilised=False), *wide)
        for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(double), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * max(np.max(np.abs(b)), 1e-37))


def test_a_stabilised_memory_grows_as_the_plain_one_but_for_its_unit():
    """Exponents are those of e^-m C, and m is lost where an input gate won."""
    cell, batch = STABILISED, sequence()
    params = params_of(cell)
    m = np.asarray(states(cell, params, batch.x))[:, N * N + N]
    log_f = np.log(sigmoid(drives(cell, params, batch)))[DISCARDED:, -1]
    expected = np.mean(log_f) + (m[DISCARDED - 1] - m[-1]) / (T - DISCARDED)
    found = spectrum(cell, params, batch)
    np.testing.assert_allclose(found[:-1], expected, rtol=0, atol=1e-12)
    assert found[-1] == -np.inf


@pytest.mark.parametrize("head", [0, 3, 7])
def test_retention_decays_at_its_published_rate(head):
    cell = Retention(2, N, 2, head=head)
    found = spectrum(cell, params_of(cell), sequence())
    np.testing.assert_allclose(found, math.log1p(-(2.0 ** (-5 - head))), rtol=0, atol=1e-14)


def test_half_lives_of_retention_are_22_to_2839_steps():
    cell = Retention(1, 1)
    gamma = jax.jit(jax.vmap(lambda i: cell.replace(head=i).log_decay(None, jnp.zeros(3))))
    half_lives = math.log(2) / -np.asarray(gamma(np.arange(8)))
    np.testing.assert_allclose(half_lives[[0, 7]], [21.83230, 2838.784], rtol=2e-7)


def test_exponents_of_gated_linear_attention_are_mean_log_decays_of_its_rows():
    cell, batch = CELLS["GatedLinearAttention"], sequence()
    q = np.asarray(drives(cell, params_of(cell), batch))[DISCARDED:, 3 * N :]
    gates = sigmoid(q) ** (1 / cell.temperature)
    expected = np.repeat(np.sort(np.mean(np.log(gates), 0))[::-1], N)
    found = spectrum(cell, params_of(cell), batch)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_gated_linear_attention_at_rest_keeps_the_sixteenth_root_of_a_half():
    cell = GatedLinearAttention(2, N)
    log_kept = jax.jit(lambda p: cell.log_decay(p, cell.drive(p, jnp.zeros(2))))
    kept = np.exp(log_kept(params_of(cell)))
    np.testing.assert_allclose(kept, np.full((N, 1), 0.957603), atol=5e-7)


def strengths(cell, d):
    """1 - beta and ln a of every step, from the drives alone."""
    return 1 - (2 if cell.negative else 1) * sigmoid(d[:, 3 * N])


def log_gates(cell, params, d):
    if isinstance(cell, DeltaNet):
        return np.zeros(len(d))
    return -np.exp(params.A_log) * np.log1p(np.exp(d[:, -1]))


@pytest.mark.parametrize("name", DELTA)
def test_eigenvalues_of_a_delta_step_are_1_minus_beta_once_and_1_otherwise(name):
    """Each as often as there are values, and times the gate."""
    cell, batch = CELLS[name], sequence(12, size=2.0)
    params = params_of(cell)
    d = np.asarray(drives(cell, params, batch))
    kept, a = strengths(cell, d), np.exp(log_gates(cell, params, d))

    def jacobian(d):
        at = dynamics.point(cell, params, jnp.ones(cell.n_h), d)
        return scaled.plain(tangents.linearize(cell, params, at).as_matrix())

    J = np.asarray(jax.jit(jax.vmap(jacobian))(d))
    assert np.all(J[:, :, N * N :] == 0) and np.all(J[:, N * N :] == 0)
    np.testing.assert_allclose(J, J.transpose(0, 2, 1), rtol=0, atol=1e-15)
    found = np.linalg.eigvalsh(J[:, : N * N, : N * N])
    expected = np.sort(np.tile(np.stack([kept, *[np.ones(12)] * (N - 1)], 1) * a[:, None], (1, N)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert np.any(kept < -0.3) == cell.negative


@pytest.mark.parametrize("name", DELTA[1:])
def test_exponents_of_a_delta_net_sum_to_the_logs_of_1_minus_beta_and_of_the_gate(name):
    cell, batch = CELLS[name], sequence()
    params = params_of(cell)
    d = np.asarray(drives(cell, params, batch))[DISCARDED:]
    of_beta, of_gate = np.log(np.abs(strengths(cell, d))), log_gates(cell, params, d)
    expected = N * np.mean(of_beta) + N * N * np.mean(of_gate)
    found = spectrum(cell, params, batch)
    np.testing.assert_allclose(np.sum(found), expected, rtol=0, atol=1e-11)


def test_a_gated_delta_net_whose_gate_is_1_is_a_delta_net_to_the_last_bit():
    """As it is compiled outside of tests: a contracted product has other last bits."""
    gated, plain = GatedDeltaNet(2, N, 2), DeltaNet(2, N, 2)
    params = params_of(gated)._replace(A_log=np.array(-np.inf))
    of_plain = DeltaNetParams(params.U, params.W_beta, params.V, params.c)
    optimised = {
        "xla_backend_optimization_level": 3,
        "xla_llvm_disable_expensive_passes": False,
    }

    def compiled(cell, params):
        run = _states.lower(cell, params, sequence(200).x)
        return run.compile(compiler_options=optimised)(cell, params, sequence(200).x)

    np.testing.assert_array_equal(compiled(gated, params), compiled(plain, of_plain))


def test_the_tangent_of_a_delta_step_is_its_derivative_and_lies_within_units():
    cell = CELLS["GatedDeltaNet"]
    params, m = params_of(cell), cell.traits.entries_per_unit
    products = {"mv": cell.n_h, "rmv": cell.n_h, "to_drive": cell.n_h, "from_drive": 3 * N + 2}

    @jax.jit
    def of(params):
        h, d = jnp.linspace(-1, 1, cell.n_h), cell.drive(params, jnp.array([0.4, -1.3]))
        tangent = tangents.linearize(cell, params, dynamics.point(cell, params, h, d))
        found = []
        for each in (tangent, tangents.Autodiff(cell, params, h, d)):
            found.append({k: getattr(each, k)(jnp.cos(jnp.arange(n))) for k, n in products.items()})
            found[-1]["mm"] = each.mm(jnp.eye(cell.n_h)[:, ::2])
            found[-1]["matrix"] = each.as_matrix()
            found[-1]["within"] = tangents.within_units(each, m)
        return jax.tree.map(scaled.plain, found, is_leaf=scaled.is_scaled)

    got, expected = of(params)
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=1e-15, err_msg=name)
    others = expected["matrix"].reshape(m, N, m, N) * (1 - np.eye(N))[None, :, None, :]
    np.testing.assert_array_equal(others, 0)


@pytest.mark.wide
def test_gates_far_below_the_range_of_float32_keep_their_logs(float32):
    """a = e^-150 a step: no product lies within the range, and the rate is right to rounding."""
    cell = GatedDeltaNet(2, N, 2)
    params = jax.tree.map(np.asarray, params_of(cell))
    params = params._replace(A_log=np.log(np.float32(150)), b=np.float32(0.5413249))
    params = params._replace(W_a=np.zeros((1, 2), np.float32))  # softplus(b) = 1
    given = jax.tree.map(np.float32, (params, sequence(12)))
    run = jax.jit(lambda p, batch: probes.log_norm_by_lag(cell, None, p, batch)["log_norm"])
    single = np.asarray(run(*given))
    assert single.dtype == np.float32
    with jax.enable_x64(True):
        double = np.asarray(run(*jax.tree.map(np.float64, given)))
    assert double[-1] < -1500
    np.testing.assert_allclose(single, double, rtol=2e-6, atol=1e-5)


SATURATED = {
    "MLSTM": MLSTM(2, N, 2, forget_bias=-110.0),
    "GatedLinearAttention": GatedLinearAttention(2, N, 2, forget_bias=-110.0, temperature=1.0),
    "GatedDeltaNet": GatedDeltaNet(2, N, 2, A_max=1e6),
}


@pytest.mark.parametrize("name", SATURATED)
def test_logs_of_saturated_decays_in_float32_are_those_of_float64(float32, name):
    """s(-110) is 0 in float32."""
    cell = SATURATED[name]

    @jax.jit
    def logs(params):
        d = cell.drive(params, jnp.ones_like(params.c))
        at = dynamics.point(cell, params, jnp.zeros(cell.n_h, d.dtype), d)
        J = tangents.linearize(cell, params, at, by_row=True).as_matrix()
        return scaled.log_norm(scaled.renormalise(tangents.at_rows(J)))

    params = jax.jit(cell.init)(KEY)
    single = np.asarray(logs(params))
    with jax.enable_x64(True):
        double = np.asarray(logs(jax.tree.map(lambda a: np.asarray(a, np.float64), params)))
    n_read = cell.n_h - cell.traits.n_unread
    assert single.dtype == np.float32 and np.all(double[:n_read] < -105)
    assert np.all(np.isfinite(double[:n_read]))
    np.testing.assert_allclose(single[:n_read], double[:n_read], rtol=1e-5)


def test_keys_have_length_1_and_a_key_of_0_has_a_finite_slope(float32):
    u = np.float32(np.random.default_rng(0).standard_normal((100, 5)))
    unit, slope = matrix_memory.unit_vector, jax.jacobian(matrix_memory.unit_vector)
    both = jax.jit(lambda u: (jax.vmap(unit)(u), slope(u[0])))
    for size in (1e-30, 1.0, 1e30):
        k = np.asarray(both(np.float32(size) * u)[0])
        np.testing.assert_allclose(np.linalg.norm(k, axis=1), 1, rtol=0, atol=3e-7)
    for found in both(0 * u):
        np.testing.assert_array_equal(found, 0)
    k, found = map(np.asarray, both(u))
    expected = (np.eye(5) - np.outer(k[0], k[0])) / np.linalg.norm(u[0])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_gated_delta_net_starts_with_the_published_rates():
    made = jax.jit(jax.vmap(GatedDeltaNet(2, N).init))(jax.random.split(KEY, 2000))
    made = jax.tree.map(np.asarray, made)
    A, dt = np.exp(made.A_log), np.log1p(np.exp(made.b))
    assert 0 < A.min() < 0.1 and 15.9 < A.max() <= 16 and abs(A.mean() - 8) < 0.4
    assert 0.001 <= dt.min() < 0.00102 and 0.098 < dt.max() <= 0.1
    np.testing.assert_allclose(np.mean(np.log(dt)), math.log(0.01), atol=0.1)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"step_max: expected at least step_min, 0\.2, got 0\.1"):
        GatedDeltaNet(2, N, step_min=0.2)
    with pytest.raises(ValueError, match="stabilised: expected False, for a step that is linear"):
        jax.eval_shape(
            lambda p: STABILISED.transition(p, STABILISED.drive(p, jnp.ones(2))),
            params_of(STABILISED),
        )


def test_one_key_that_is_all_but_erased_keeps_the_logarithm_of_what_is_left():
    """With one entry nothing stands beside it: the exponent is ln(1 - beta) = -softplus(logit)."""
    cell = DeltaNet(1, 1)
    single = functools.partial(jax.tree.map, np.float32)
    batch = single(rnnjax.Batch(np.ones((20, 1)), np.ones((20, 1)), np.ones(20)))
    params = single(params_of(cell))
    run = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch)["exponents"][0])
    for logit in (16.0, 30.0):
        found = run(params._replace(W_beta=np.full_like(params.W_beta, logit)))
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, -np.logaddexp(0, logit), rtol=1e-6)


def with_input_bias(params, value):
    """Parameters of an mLSTM with another bias of the input gate."""
    b = np.array(params.b)
    b[-2] = value
    return params._replace(b=b)


def test_a_floor_of_one_is_finite_where_all_gates_are_shut():
    cell = MLSTM(2, N, 2, stabilised=True, floor_of_stabilised=True, forget_bias=-800.0)
    params = params_of(cell)
    params = with_input_bias(params, -800.0)
    assert np.all(np.isfinite(jax.jit(scan.outputs)(cell, params, sequence(6).x)))


def test_a_gradient_through_the_stabiliser_is_seen_by_patterns():
    """The unit is a maximum: where i is the larger, neither f nor the unit before has an effect."""
    params, x, unit = params_of(STABILISED), np.ones(2), N * N + N
    reached = structure.reach(STABILISED, params, x)
    of_f = [reached[i][unit, -1] for i, name in enumerate(params._fields) if name in ("U", "b")]
    assert len(of_f) == 2 and all(np.all(seen) for seen in of_f)
    connected = jax.jit(lambda p: structure.connected(STABILISED, p, x))(params)
    assert np.all(np.asarray(connected)[: unit + 1, unit])


def test_what_is_zero_stays_zero_in_an_associative_scan_whose_factors_overflow():
    cell = MLSTM(2, N, 2, exponential_forget=True)
    x = np.repeat([[0.0], [1.0]], [395, 5], axis=0) * np.ones(2)
    both = jax.jit(lambda p: (parallel.linear_states(cell, p, x), scan.unroll(cell, p, x).plain))
    np.testing.assert_allclose(*both(params_of(cell)), rtol=1e-11)
