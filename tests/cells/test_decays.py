"""States that decay entry by entry: what is published of each cell, in closed form."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, parallel, probes, rules, scaled, scan, tangents
from rnnjax.cells.decays.min_gru import MinGRU
from rnnjax.cells.decays.min_lstm import MinLSTM
from rnnjax.cells.decays.rg_lru import RGLRU
from rnnjax.cells.decays.s5 import S5
from rnnjax.cells.decays.s6 import S6
from rnnjax.losses import squared_error
from rnnjax.rules import structure
from tests.crossed import wide_but

KEY = jax.random.key(2)
T = 6
RNG = np.random.default_rng(2)
BATCH = jax.device_put(
    rnnjax.Batch(RNG.standard_normal((T, 3)), RNG.standard_normal((T, 2)), np.linspace(0.5, 1.5, T))
)
CELLS = {
    "minGRU": MinGRU(3, 3, 2, forget_bias=1.0),
    "minLSTM": MinLSTM(3, 3, 2, input_bias=-1.0),
    "RG-LRU": RGLRU(3, 3, 2, r_min=0.5),
    "S6": S6(3, 2, 2, n_states=2, step_max=2.0),
    "S6 exact and negative": S6(
        3, 2, 2, n_states=2, step_min=0.2, step_max=2.0, exact=True, negative=True
    ),
    "S5": S5(3, 3, 2, step_max=1.0),
}
RULES = [rules.BPTT(), rules.SnAp(1), rules.EProp()]
# What all share is in every run for one of them, the whole of it in wider runs.
USUALLY = ["S6 exact and negative"]
ALL = pytest.mark.parametrize("name", wide_but(USUALLY, CELLS))


def assert_close(got, expected, tolerance):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.max(np.abs(b)), 1e-3))


@functools.cache
def params_of(cell):
    return jax.jit(cell.init)(KEY)


@jax.jit
def states_of(cell, params, x):
    return scaled.plain(scan.unroll(cell, params, x).states)


def by_separate_passes(cell, params):
    """ln ||dL_T/dh_{T-k}|| for k = 0..T, by one jax.grad each."""
    states = scaled.plain(scan.unroll(cell, params, BATCH.x).states)

    def log_norm(h, start):
        def last(h):
            def step(h, at):
                t, x = at
                return jnp.where(t >= start, cell.step(params, h, x), h), None

            h, _ = jax.lax.scan(step, h, (jnp.arange(T), BATCH.x))
            return squared_error(cell.readout(params, h), BATCH.y[-1])

        return jnp.log(jnp.linalg.norm(jax.grad(last)(h)))

    before = jnp.concatenate([cell.initial_state()[None], states])
    return jax.vmap(log_norm)(before, jnp.arange(T + 1))[::-1]


@functools.cache
def measured(name):
    """What one compiled program measures of a cell."""
    cell = CELLS[name]

    @jax.jit
    def program(key):
        params = cell.init(key)
        run = scan.unroll(cell, params, BATCH.x)

        def by_autodiff(h, d):
            step = functools.partial(dynamics.advance, cell, params)
            return jax.jacfwd(step, holomorphic=jnp.iscomplexobj(h))(h, d)

        def by_tangent(at):
            J = tangents.linearize(cell, params, scan.point(cell, params, at), by_row=True)
            rows = tangents.at_rows(J.as_matrix())
            moved = J.mm(jnp.eye(len(at.h_prev))[:, ::2])
            return (
                jax.vmap(scaled.shift)(rows.value, rows.exponent),
                scaled.shift(moved.value, moved.exponent),
            )

        return {
            "J": jax.vmap(by_autodiff)(run.h_prev, run.drive),
            "tangent": jax.vmap(by_tangent)(run),
            "lags": probes.log_norm_by_lag(cell, squared_error, params, BATCH)["log_norm"],
            "separate": by_separate_passes(cell, params),
            "states": scaled.plain(run.states),
            "in parallel": parallel.linear_states(cell, params, BATCH.x),
            **probes.lyapunov_spectrum(cell, None, params, BATCH),
            **probes.mean_log_det(cell, None, params, BATCH),
        }

    return jax.tree.map(np.asarray, program(KEY))


@ALL
def test_snap_1_and_e_prop_are_rtrl_and_bptt(name):
    cell = CELLS[name]
    total = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
    # RTRL adds products with matrices, which the next test has of the usual cell.
    used = RULES + [rules.RTRL()] * (name not in USUALLY)

    @jax.jit
    def gradients(params):
        states = [rule.init(cell, params, BATCH) for rule in used]
        found = [
            rule(cell, squared_error, params, BATCH, state).grads
            for rule, state in zip(used, states, strict=True)
        ]
        return scaled.plain(found), jax.grad(total)(params)

    found, expected = gradients(params_of(cell))
    for one in found:
        assert_close(one, expected, 1e-12)


@ALL
def test_the_tangent_is_the_diagonal_jacobian(name):
    J = measured(name)["J"]
    matrix, moved = measured(name)["tangent"]
    np.testing.assert_allclose(matrix, J, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(moved, J[:, :, ::2], rtol=1e-13, atol=1e-15)
    assert not np.any(J * (1 - np.eye(J.shape[1])))


@ALL
def test_all_lags_equal_separate_gradients(name):
    np.testing.assert_allclose(measured(name)["lags"], measured(name)["separate"], rtol=1e-12)


@ALL
def test_an_associative_scan_has_the_states_of_the_scan(name):
    assert_close(measured(name)["in parallel"], measured(name)["states"], 1e-14)


@ALL
def test_exponents_sum_to_the_determinant(name):
    found, cell = measured(name), CELLS[name]
    n = cell.n_h - dynamics.traits(cell).n_unread
    logs = np.log(np.abs(np.diagonal(found["J"], axis1=1, axis2=2)[:, :n]))
    np.testing.assert_allclose(np.sum(found["exponents"][:n]), logs.mean(0).sum(), rtol=1e-11)
    assert np.all(np.isneginf(found["exponents"][n:]))
    np.testing.assert_allclose(found["mean_log_det"], np.sum(found["exponents"]), rtol=1e-11)


@ALL
def test_no_exponent_of_a_published_start_is_positive(name):
    assert np.all(measured(name)["exponents"] <= 0)


SATURATED = np.array([-60.0, -45.0, -30.0, 30.0, 45.0, 60.0])


@pytest.mark.parametrize(
    "name", wide_but(["minLSTM", "S6"], [name for name in CELLS if name != "S5"])
)
def test_float32_keeps_saturated_gates(name):
    """Factors, and states from 0, at logits from -60 to 60, each beside each."""
    cell, params = CELLS[name], params_of(CELLS[name])
    n_d = jax.eval_shape(lambda p: dynamics.drive(cell, p, BATCH.x[0]), params).size

    @jax.jit
    def at(params, d):
        def one(d):
            point = dynamics.point(cell, params, jnp.ones(cell.n_h, d.dtype), d)
            J = tangents.linearize(cell, params, point, by_row=True)
            rows = J.diagonal()
            back = J.to_drive(jnp.ones(cell.n_h, d.dtype)).value
            return (
                jnp.log(jnp.abs(rows.value)) + rows.exponent * math.log(2),
                dynamics.advance(cell, params, jnp.zeros_like(point.h), d),
                back,
            )

        return jax.vmap(one)(d)

    d = np.random.default_rng(0).choice(SATURATED, (50, n_d))
    # What is no gate is of order 1.
    n_gates = {"minGRU": (0, 3), "minLSTM": (0, 6), "RG-LRU": (0, 6)}.get(name, (2, 4))
    is_gate = (np.arange(n_d) >= n_gates[0]) & (np.arange(n_d) < n_gates[1])
    given = (params, np.where(is_gate, d, d / 64))
    wide = at(*given)
    narrow = at(*jax.tree.map(lambda a: np.asarray(a, np.float32), given))
    assert all(leaf.dtype == jnp.float32 for leaf in narrow)
    # Of factors near 1 the difference to 1 is known to rounding, of small ones the logarithm.
    np.testing.assert_allclose(narrow[0], wide[0], rtol=2e-6, atol=2e-7)
    np.testing.assert_allclose(narrow[1], wide[1], rtol=2e-5, atol=1e-32)
    np.testing.assert_allclose(narrow[2], wide[2], rtol=1e-5, atol=1e-5)


@functools.cache
def half_life_of(cls, **options):
    """Steps in which the gradient halves at the start and at inputs of 0, for lanes of a field."""

    @jax.jit
    def program(lanes):
        def one(fields):
            cell = cls(1, 2, **options).replace(**fields)
            nothing = jnp.zeros((10, 1))
            batch = rnnjax.Batch(nothing, nothing, jnp.ones(10))
            log_norm = probes.log_norm_by_lag(cell, None, cell.init(KEY), batch)["log_norm"]
            return -math.log(2) * 10 / (log_norm[10] - log_norm[0])

        return jax.vmap(one)(lanes)

    return lambda **lanes: program({name: np.array(lane) for name, lane in lanes.items()})


def test_half_lives_of_min_gru():
    """(1 - s(b))^k: 38.190, 5.4609 and 1 steps at b = -4, -2 and 0."""
    bias = np.array([4.0, 2.0, 0.0])
    found = half_life_of(MinGRU)(forget_bias=bias)
    np.testing.assert_allclose(found, np.log(2) / np.log1p(np.exp(-bias)), rtol=1e-12)
    np.testing.assert_allclose(found, [38.190, 5.4609, 1.0], rtol=1e-4)


def test_min_gru_keeps_1_minus_z_whatever_its_state():
    cell, params = CELLS["minGRU"], params_of(CELLS["minGRU"])
    d = np.asarray(BATCH.x) @ np.asarray(params.U).T + np.asarray(params.b)
    jacobian = jax.jit(jax.vmap(jax.jacfwd(functools.partial(cell.step, params)), (None, 0)))
    for h in (np.zeros(3), np.array([-5.0, 0.3, 1e3])):
        factors = np.diagonal(jacobian(h, BATCH.x), axis1=1, axis2=2)
        np.testing.assert_allclose(factors, 1 / (1 + np.exp(d[:, :3])), rtol=1e-13)


def test_min_lstm_keeps_less_than_two_thirds_unless_its_input_gate_is_closed():
    """Half-lives below ln 2 / ln 1.5 = 1.7095 steps at any forget bias; 38.88 at i = s(-4)."""
    biases = {"forget_bias": [0.0, 4.0, 100.0, 100.0], "input_bias": [0.0, 0.0, 0.0, -4.0]}
    *found, closed = half_life_of(MinLSTM)(**biases)
    np.testing.assert_allclose(found[1:], [1.6842, 1.7095], rtol=1e-4)
    assert np.all(np.array(found[:2]) < np.log(2) / np.log(1.5))
    np.testing.assert_allclose(closed, np.log(2) / np.log1p(1 / (1 + np.exp(4.0))), rtol=1e-12)
    np.testing.assert_allclose(closed, 38.88, rtol=1e-4)
    alone = half_life_of(MinLSTM, normalised=False)(forget_bias=[4.0])
    np.testing.assert_allclose(alone, 38.190, rtol=1e-4)


def test_gates_of_min_lstm_are_shares():
    cell, params = CELLS["minLSTM"], params_of(CELLS["minLSTM"])
    d = np.asarray(BATCH.x) @ np.asarray(params.U).T + np.asarray(params.b)
    f, i, c = np.split(d, 3, axis=1)
    f, i = 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-i))
    h, states = np.zeros(3), []
    for t in range(T):
        h = f[t] / (f[t] + i[t]) * h + i[t] / (f[t] + i[t]) * c[t]
        states.append(h)
    np.testing.assert_allclose(states_of(cell, params, BATCH.x), states, rtol=1e-13)
    jacobian = jax.jit(jax.vmap(jax.jacfwd(functools.partial(cell.step, params)), (None, 0)))
    factors = np.diagonal(jacobian(np.ones(3), BATCH.x), axis1=1, axis2=2)
    np.testing.assert_allclose(factors, f / (f + i), rtol=1e-13)
    assert np.all(factors < 1 / (1 + i))


def test_half_lives_of_both_starts_of_rg_lru():
    """At r = 1/2: 13.1576 to 1385.60 steps with a^8 in [.9, .999], and an eighth with a there."""
    ends = np.array([0.9, 0.999])
    of_paper = half_life_of(RGLRU)(r_min=ends, r_max=ends)
    np.testing.assert_allclose(of_paper, 2 * np.log(2) / -np.log(ends), rtol=1e-11)
    np.testing.assert_allclose(of_paper, [13.1576, 1385.60], rtol=1e-5)
    as_released = half_life_of(RGLRU, as_released=True)(r_min=ends, r_max=ends)
    np.testing.assert_allclose(as_released, of_paper / 8, rtol=1e-11)


def test_the_starts_of_rg_lru_are_uniform_in_a_to_the_8_or_in_a_squared():
    for as_released, power in ((False, 8), (True, 2)):
        L = params_of(RGLRU(1, 4000, as_released=as_released)).L
        value = np.sort((1 + np.exp(np.asarray(L))) ** -power)
        ends = np.array([0.9, 0.999]) ** (power if as_released else 1)
        places = (value - ends[0]) / (ends[1] - ends[0])
        assert np.max(np.abs(places - (np.arange(4000) + 0.5) / 4000)) < 0.03


def of_constant_decay(n):
    """An RG-LRU of n units with an input each, r = 1/2 and i = 1."""
    cell = RGLRU(n, n)
    b = np.repeat([0.0, 50.0], n)
    return cell, params_of(cell)._replace(U=np.eye(3 * n, n, -2 * n), b=b)


def test_rg_lru_keeps_the_variance_of_white_inputs():
    """The squares of its response to a pulse sum to 1 - a^2T, and h^2 of a long run is 1."""
    n, long = 20, 2000
    cell, params = of_constant_decay(n)
    a = np.exp(-4 * np.log1p(np.exp(np.asarray(params.L))))
    states = functools.partial(states_of, cell, params)
    pulse = np.asarray(states(np.eye(long, 1) * np.ones(n)))
    np.testing.assert_allclose(np.sum(pulse**2, axis=0), 1 - a ** (2 * long), rtol=1e-12)
    start = int(-10 / np.log(a.max()))
    white = np.asarray(states(np.random.default_rng(0).standard_normal((long, n)))) ** 2
    short = a < 0.98
    mean = white[min(start, long // 2) :].mean(0)[short]
    error = np.sqrt(2 / (long / 2) * (1 + a**2) / (1 - a**2))[short]
    assert short.sum() > 3 and np.all(np.abs(mean - 1) < 4 * error)


def test_theorem_1_of_mamba():
    """A = -1, B = 1, held inputs: h' = (1 - g) h + g x with g = s(w x + b)."""
    cell = S6(2, 2, n_states=1, rank=1, exact=True)
    w, b = 0.7, -0.4
    params = params_of(cell)._replace(
        U=np.eye(2),
        W=np.eye(3, 2),  # Delta of the first unit, B of the second
        W_Delta=np.array([[w], [0]]),
        b_Delta=np.full(2, b),
    )
    x = np.array(BATCH.x[:, :2])
    x[:, 1] = 1.0
    g = 1 / (1 + np.exp(-w * x[:, 0] - b))
    h, states = 0.0, []
    for t in range(T):
        h = (1 - g[t]) * h + g[t] * x[t, 0]
        states.append(h)
    np.testing.assert_allclose(states_of(cell, params, x)[:, 0], states, rtol=1e-13)
    first = states_of(cell.replace(exact=False), params, x)[0, 0]
    np.testing.assert_allclose(first, np.log1p(np.exp(w * x[0, 0] + b)) * x[0, 0], rtol=1e-13)


def test_exponents_of_s6_are_means_of_its_step_size():
    """-n E softplus(u) for state n: at u ~ N(0, 1) the first is -0.806059."""
    points, weights = np.polynomial.hermite_e.hermegauss(80)
    expected = -weights @ np.log1p(np.exp(points)) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(expected, -0.806059, atol=5e-7)
    cell, n, lead = S6(1, 1, n_states=2, rank=1), 4000, 100  # after which directions are axes
    one, params = np.ones((1, 1)), params_of(cell)
    W = np.concatenate([one, params.W[1:]])
    params = params._replace(U=one, W=W, W_Delta=one, b_Delta=np.zeros(1))
    u = np.random.default_rng(0).standard_normal((n, 1))
    run = jax.jit(functools.partial(probes.lyapunov_spectrum, cell, None, n_discarded=lead))
    found = run(params, rnnjax.Batch(u, u, np.ones(n)))
    steps = np.log1p(np.exp(u))[lead:]
    mean, error = steps.mean(), steps.std() / np.sqrt(n - lead)
    np.testing.assert_allclose(found["exponents"][:2], [-mean, -2 * mean], rtol=1e-12)
    assert abs(mean + expected) < 3 * error < 0.03
    np.testing.assert_allclose(found["exponents_error"][0], error, rtol=1)


def test_the_start_of_s6_is_the_published_one():
    cell = S6(3, 400, n_states=4)
    params = params_of(cell)
    np.testing.assert_allclose(params.log_A, np.tile(np.log([1, 2, 3, 4]), (400, 1)), rtol=1e-15)
    steps = np.log1p(np.exp(np.asarray(params.b_Delta)))
    places = np.sort(np.log(steps / 1e-3) / np.log(100))
    assert np.max(np.abs(places - (np.arange(400) + 0.5) / 400)) < 0.1
    assert params.W_Delta.shape == (400, 13) and np.max(np.abs(params.W_Delta)) < 13**-0.5


def test_factors_of_the_range_to_minus_1_have_their_signs():
    """2 exp(Delta A) - 1: of both signs on inputs, and a state that is turned over for ever."""
    cell = CELLS["S6 exact and negative"]
    factors = np.diagonal(measured("S6 exact and negative")["J"], axis1=1, axis2=2)[:, :4]
    assert np.any(factors < 0) and np.any(factors > 0) and np.all(np.abs(factors) <= 1)
    plain = cell.replace(negative=False)
    params = params_of(cell)
    log_decay = jax.jit(jax.vmap(lambda x: plain.log_decay(params, cell.drive(params, x))))
    positive = np.exp(log_decay(BATCH.x))
    np.testing.assert_allclose(factors, (2 * positive - 1).reshape(T, 4), rtol=1e-12, atol=1e-15)
    wide = params._replace(b_Delta=np.full(2, 100.0), U=np.zeros((2, 3)))
    h = np.arange(6.0)
    np.testing.assert_array_equal(jax.jit(cell.step)(wide, h, BATCH.x[0])[:4], -h[:4])


def test_a_factor_of_exactly_0_has_its_derivative():
    cell = S6(1, 1, n_states=1, rank=1, negative=True)
    params = params_of(cell)._replace(b_Delta=np.zeros(1), U=np.zeros((1, 1)))

    @jax.jit
    def measured(params, h, x):
        slope = jax.grad(lambda b: cell.step(params._replace(b_Delta=b), h, x)[0])
        at = dynamics.point(cell, params, h, cell.drive(params, x))
        return slope(params.b_Delta), scaled.plain(cell.linearize(params, at).diagonal())[0]

    slope, factor = measured(params, np.ones(2), np.zeros(1))
    np.testing.assert_allclose(slope, [-0.5], rtol=1e-14)
    assert abs(factor) < 1e-15


def test_exponents_of_s5_are_half_the_steps_each_twice():
    cell, lead = CELLS["S5"], 200  # after which directions are axes
    steps = np.array([0.2, 0.6, 1.4])
    params = params_of(cell)._replace(log_step=np.log(steps))
    batch = jax.tree.map(lambda a: np.ones((lead + 50, *a.shape[1:])), BATCH)

    @jax.jit
    def run(params, batch):
        found = probes.lyapunov_spectrum(cell, None, params, batch, n_discarded=lead)
        J = tangents.OfComplex(tangents.Diagonal(cell.eigenvalues(params)), True).as_matrix()
        return found["exponents"], scaled.plain(J)

    exponents, J = run(params, batch)
    np.testing.assert_allclose(exponents, -steps / 2, rtol=1e-11)
    logs = np.log(np.abs(np.linalg.eigvals(J)))
    np.testing.assert_allclose(np.sort(logs), np.sort(np.repeat(-steps / 2, 2)), rtol=1e-12)


def test_half_lives_of_s5():
    """13.86 steps at Delta = 0.1 and 1386.3 at Delta = 0.001."""
    steps = np.array([0.1, 0.001])
    found = half_life_of(S5)(step_min=steps, step_max=steps)
    np.testing.assert_allclose(found, [20 * np.log(2), 2000 * np.log(2)], rtol=1e-10)
    np.testing.assert_allclose(found, [13.863, 1386.3], rtol=1e-4)


def test_the_start_of_s5_is_the_normal_part_of_hippo():
    n = 3
    root = np.sqrt(2 * np.arange(2 * n) + 1.0)
    hippo = -np.tril(np.outer(root, root), -1) - np.diag(np.arange(2 * n) + 1.0)
    values = np.linalg.eigvals(hippo + np.outer(root, root) / 2)
    params = params_of(S5(2, n))
    half = np.asarray(params.real) + 1j * np.asarray(params.imaginary)
    both = np.concatenate([half, half.conj()])
    np.testing.assert_allclose(np.sort_complex(both.imag), np.sort_complex(values.imag), atol=1e-12)
    np.testing.assert_allclose(both.real, -0.5, rtol=0)
    np.testing.assert_allclose(values.real, -0.5, rtol=1e-12)


def test_s5_solves_its_equation_for_inputs_that_are_held():
    """After t steps of one input, h = (exp(Lambda t Delta) - 1) / Lambda (B x)."""
    cell = CELLS["S5"]
    params, x = params_of(cell), np.asarray(BATCH.x[0])
    rate = np.asarray(params.real) + 1j * np.asarray(params.imaginary)
    time = np.arange(1, T + 1)[:, None] * np.exp(np.asarray(params.log_step))[None]
    real, imaginary = np.asarray(params.B)
    expected = (np.exp(rate * time) - 1) / rate * ((real + 1j * imaginary) @ x)
    np.testing.assert_allclose(states_of(cell, params, np.tile(x, (T, 1))), expected, rtol=1e-12)


def test_clipped_units_of_s5_do_not_grow():
    params = params_of(S5(2, 3))._replace(real=np.array([1.0, -1.0, 0.0]))
    values = jax.jit(lambda p: [S5(2, 3, clipped=c).eigenvalues(p) for c in (False, True)])
    logs = np.log(np.abs(values(params)))
    steps = np.exp(np.asarray(params.log_step))
    np.testing.assert_allclose(logs[0] / steps, [1, -1, 0], atol=1e-11)
    np.testing.assert_allclose(logs[1] / steps, [-1e-4, -1, -1e-4], atol=1e-11)


@pytest.mark.parametrize("cls", [MinGRU, MinLSTM])
def test_positive_candidates_keep_the_state_positive(cls):
    cell = cls(3, 3, positive=True)
    params = params_of(cell)
    assert np.all(np.asarray(states_of(cell, params, 5 * np.asarray(BATCH.x))) > 0)
    shut = [60.0] if cls is MinGRU else [-60.0, 60.0]
    d = np.concatenate([np.repeat(shut, 3), [-2.0, 0.0, 3.0]])
    expected = [1 / (1 + np.exp(2.0)), 0.5, 3.5]
    np.testing.assert_allclose(jax.jit(cell.advance)(params, np.ones(3), d), expected, rtol=1e-12)


def test_a_clipped_unit_of_s5_is_seen_by_patterns():
    """The clip is flat at small positive numbers, where patterns are looked for first."""
    cells = [S5(3, 3, 2, clipped=c) for c in (False, True)]
    plain, clipped = (structure.reach(c, jax.eval_shape(c.init, KEY), np.zeros(3)) for c in cells)
    assert set(plain) == set(clipped)
    for i, pattern in plain.items():
        np.testing.assert_array_equal(clipped[i], pattern)
    np.testing.assert_array_equal(clipped[0], np.eye(3))


def test_a_unit_of_s5_without_a_rate_adds_up_its_inputs():
    cell = S5(3, 3, 2)
    still, x = params_of(cell)._replace(real=np.zeros(3), imaginary=np.zeros(3)), np.arange(3.0)
    real, imaginary = np.asarray(still.B)
    expected = np.exp(still.log_step) * ((real + 1j * imaginary) @ x)
    np.testing.assert_allclose(jax.jit(cell.drive)(still, x), expected, rtol=1e-13)


@pytest.mark.parametrize("cls", [MinGRU, MinLSTM])
def test_what_a_gate_keeps_and_its_slope_have_all_digits_in_float32(cls, float32):
    """The gate is s(q), q its logit, with slope s(q) s(-q); 1 - s(q) is 0 from q = 17 on."""
    cell, logits = cls(2, 3), np.array([-40.0, -20.0, 0.0, 20.0, 40.0])
    params = jax.jit(cell.init)(KEY)

    def kept(q):
        gates = [-q] if cls is MinGRU else [q, -q]  # q = f = -i: softplus(q) - softplus(-q) = q
        return cell.decay(params, jnp.repeat(jnp.stack([*gates, jnp.zeros_like(q)]), 3))[0]

    e = np.exp(-abs(logits))
    found, slope = jax.jit(jax.vmap(jax.value_and_grad(kept)))(np.float32(logits))
    assert found.dtype == slope.dtype == jnp.float32
    np.testing.assert_allclose(found, np.where(logits >= 0, 1, e) / (1 + e), rtol=3e-6)
    np.testing.assert_allclose(slope, e / (1 + e) ** 2, rtol=3e-5)


def test_a_unit_of_rg_lru_that_forgets_nothing_has_a_finite_gradient():
    cell = RGLRU(3, 3, 2)
    params = params_of(cell)._replace(L=np.array([-900.0, -60.0, 0.0]))
    loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
    grads = jax.jit(jax.grad(loss))(params)
    assert all(np.all(np.isfinite(leaf)) for leaf in grads)


def test_rows_of_zeros_do_not_hide_a_fast_decay_in_transposed_products(float32):
    """The state of S6 has entries that no step reads: their rows of J are 0."""
    cell = S6(2, 2, n_states=1, rank=1)

    @jax.jit
    def run(key):
        params = cell.init(key)
        d = jnp.full_like(cell.drive(params, jnp.ones(2)), 300.0)
        at = dynamics.point(cell, params, jnp.ones(cell.n_h), d)
        each = [tangents.linearize(cell, params, at, by_row=b) for b in (False, True)]
        moved = [scaled.renormalise(J.rmv(jnp.ones(cell.n_h))) for J in each]
        return jnp.max(cell.log_decay(params, d)), [scaled.log_norm(m) for m in moved]

    slowest, each = jax.tree.map(float, run(jax.random.key(0)))
    assert slowest < -100
    for found in each:
        assert slowest - 1e-3 <= found <= slowest + 0.5 * np.log(2) + 1e-3
