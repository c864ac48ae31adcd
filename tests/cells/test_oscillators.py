"""Oscillators: determinants that are known beforehand, and gradients against automatic ones."""

import functools

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax import probes, scaled
from rnnjax.cells.oscillators.co_rnn import CoRNN, tanh
from rnnjax.cells.oscillators.unicornn import UnICORNN
from rnnjax.losses import squared_error
from rnnjax.tasks.digits import Digits
from tests.cells.agreement import gradient_norms, measured_of, relative_error
from tests.crossed import wide_but

KEY = jax.random.key(0)
CELLS = {
    "CoRNN": CoRNN(3, 4, 2, gain=1.3),
    "CoRNN of positions": CoRNN(3, 4, 2, gain=1.3, velocity_coupling=False, implicit=True),
    "UnICORNN": UnICORNN(3, 4, 2, input_gain=10.0),
}


def normals(*shapes):
    rng = np.random.default_rng(0)
    return [jax.device_put(rng.standard_normal(shape)) for shape in shapes]


BATCH = rnnjax.Batch(*normals((30, 3), (30, 2)), mask=np.linspace(0.5, 1.5, 30))


@jax.jit
def params_of(cell):
    return cell.init(KEY)


@jax.jit
def step_of(cell, params, h, x):
    h = cell.step(params, h, x)
    return h, cell.readout(params, h)


def states_and_inputs(cell, n, size=3.0):
    return [size * np.asarray(a) for a in normals((n, cell.n_h), (n, cell.n_x))]


@jax.jit
def jacobians(cell, params, h, x):
    return jax.vmap(jax.jacobian(cell.step, argnums=1), (None, 0, 0))(params, h, x)


def log_dets(cell, params, h, x):
    """ln |det J| of the step from every state."""
    return np.linalg.slogdet(np.asarray(jacobians(cell, params, h, x)))[1]


def test_a_step_of_co_rnn_is_its_equations():
    y, v, x = map(np.asarray, normals(4, 4, 3))
    h = np.concatenate([y, v])
    for coupled, implicit in ((True, False), (False, False), (False, True)):
        cell = CoRNN(3, 4, 2, dt=0.1, velocity_coupling=coupled, implicit=implicit)
        p = jax.tree.map(np.asarray, params_of(cell))
        z = p.W @ (np.concatenate([y, v]) if coupled else y) + p.U @ x + p.b
        by_force = v + 0.1 * (np.tanh(z) - 2.7 * y)
        new_v = by_force / 1.47 if implicit else by_force - 0.1 * 4.7 * v
        new_y = y + 0.1 * new_v
        h_next, y_hat = step_of(cell, p, h, x)
        np.testing.assert_allclose(h_next, np.concatenate([new_y, new_v]), rtol=1e-13)
        np.testing.assert_allclose(y_hat, p.V @ new_y + p.c, rtol=1e-13)


@pytest.mark.parametrize(
    ("epsilon", "implicit", "log_det"),
    [(0.5, False, -0.307760), (25.0, False, 6 * np.log(1.5)), (0.5, True, -6 * np.log(1.05))],
)
def test_without_coupling_by_velocities_the_determinant_is_the_damping(epsilon, implicit, log_det):
    """At every state and input: 6 ln |1 - epsilon dt|, or implicitly -6 ln(1 + epsilon dt)."""
    cell = CoRNN(3, 6, dt=0.1, epsilon=epsilon, velocity_coupling=False, implicit=implicit)
    found = log_dets(cell, params_of(cell), *states_and_inputs(cell, 20))
    np.testing.assert_allclose(found, np.full(20, found[0]), atol=1e-13)
    exact = -6 * np.log(1.05) if implicit else 6 * np.log(abs(1 - epsilon * 0.1))
    np.testing.assert_allclose(found[0], exact, atol=1e-13)
    np.testing.assert_allclose(found[0], log_det, atol=5e-7)


def test_with_coupling_by_velocities_the_determinant_is_that_of_their_block():
    """det J = det((1 - epsilon dt) I + dt diag(tanh') W_v): what reads positions has no part."""
    cell = CoRNN(3, 6, gain=3.0, dt=0.3, epsilon=0.5)
    params = jax.tree.map(np.asarray, params_of(cell))
    h, x = states_and_inputs(cell, 20, size=0.5)
    D = 1 - np.tanh(h @ params.W.T + x @ params.U.T + params.b) ** 2
    expected = np.linalg.slogdet(0.85 * np.eye(6) + 0.3 * D[:, :, None] * params.W[:, 6:])[1]
    found = log_dets(cell, params, h, x)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert np.ptp(found) > 0.1


def test_on_digits_the_exponents_of_co_rnn_sum_to_the_damping():
    """n ln(1 - epsilon dt) on five images one behind the other, whatever they show."""
    task = Digits(by_rows=True)
    x = np.concatenate(jax.jit(jax.vmap(lambda i: task.image(i).x))(np.arange(5)))
    cell = CoRNN(8, 6, dt=0.1, epsilon=0.5, velocity_coupling=False)
    batch = rnnjax.Batch(x, np.zeros((len(x), 1)), np.ones(len(x)))
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch)["exponents"])(
        params_of(cell)
    )
    np.testing.assert_allclose(np.sum(np.asarray(found)), 6 * np.log(0.95), atol=1e-10)
    assert np.ptp(found) > 0.01


@functools.cache
def measured(name):
    cell = CELLS[name]
    rules = {"BPTT": rnnjax.BPTT()}
    if name == "CoRNN":
        rules |= {"RTRL": rnnjax.rules.RTRL()}
    if name == "UnICORNN":
        rules |= {
            "RTRL": rnnjax.rules.RTRL(),
            "SnAp(1)": rnnjax.rules.SnAp(1),
            "EProp": rnnjax.rules.EProp(),
        }
    return measured_of(cell, rules, BATCH, KEY)


@pytest.mark.parametrize("name", wide_but(["CoRNN"], CELLS))
def test_exact_rules_find_the_gradient(name):
    """BPTT and RTRL; where no unit hears another, also the rules that stay within units."""
    found = measured(name)
    for rule, out in found["rules"].items():
        assert relative_error(out, found["oracle"]) < 1e-12, rule


@pytest.mark.parametrize("name", wide_but(["CoRNN"], CELLS))
def test_the_norm_by_lag_is_that_of_automatic_differentiation(name):
    cell = CELLS[name]
    params, lags = params_of(cell), np.array([1, 7, 29])
    states = np.asarray(jax.jit(lambda p: rnnjax.unroll(cell, p, BATCH.x).states.value)(params))
    norms = gradient_norms(cell, params, BATCH, states[29 - lags], lags)
    np.testing.assert_allclose(measured(name)["lags"][lags], np.log(norms), atol=1e-12)


@pytest.mark.parametrize("name", wide_but(["CoRNN"], CELLS))
def test_the_exponents_sum_to_the_mean_log_determinant(name):
    """0 for UnICORNN, n times the damping's without coupling by velocities."""
    found = measured(name)
    np.testing.assert_allclose(np.sum(found["spectrum"]), found["log_det"], atol=1e-12)
    known = {"CoRNN of positions": -4 * np.log(1 + 4.7 * 0.042), "UnICORNN": 0.0}
    if name in known:
        np.testing.assert_allclose(found["log_det"], known[name], atol=1e-13)


def test_a_step_of_unicornn_is_its_equations():
    cell = CELLS["UnICORNN"]
    p = jax.tree.map(np.asarray, params_of(cell))
    y, v, x = map(np.asarray, normals(4, 4, 3))
    a = 0.19 / (1 + np.exp(-p.r))
    new_v = v - a * (np.tanh(p.w * y + p.U @ x + p.b) + 30.65 * y)
    new_y = y + a * new_v
    h_next, y_hat = step_of(cell, p, np.concatenate([y, v]), x)
    np.testing.assert_allclose(h_next, np.concatenate([new_y, new_v]), rtol=1e-13)
    np.testing.assert_allclose(y_hat, p.V @ new_y + p.c, rtol=1e-13)


def test_unicornn_keeps_areas_at_every_state_and_input():
    """ln |det J| = 0, also beyond the range in which a unit turns, a^2 p > 4."""
    for alpha in (0.0, 30.65, 1000.0):
        cell = UnICORNN(3, 5, alpha=alpha, input_gain=10.0)
        found = log_dets(cell, params_of(cell), *states_and_inputs(cell, 20))
        np.testing.assert_allclose(found, np.zeros(20), atol=1e-12)


def test_units_of_unicornn_have_the_jacobian_of_equation_5():
    """[[1 - a^2 p, a], [-a p, 1]] each, and nothing leads from one unit to another."""
    cell = CELLS["UnICORNN"]
    params = jax.tree.map(np.asarray, params_of(cell))
    h, x = states_and_inputs(cell, 1)
    J = np.asarray(jacobians(cell, params, h, x)).reshape(2, 4, 2, 4)
    a = 0.19 / (1 + np.exp(-params.r))
    slope = 1 - np.tanh(params.w * h[0, :4] + params.U @ x[0] + params.b) ** 2
    p = params.w * slope + 30.65
    own = np.asarray([[1 - a**2 * p, a], [-a * p, np.ones(4)]])
    np.testing.assert_allclose(J, own[:, :, None].transpose(0, 2, 1, 3) * np.eye(4)[:, None])


def test_exponents_of_unicornn_are_pairs():
    """Each unit by itself has +-lambda, and at every lag the singular values of all units pair."""

    @jax.jit
    def measure(params):
        values = probes.log_singular_values(CELLS["UnICORNN"], None, params, BATCH, every=10)
        one = UnICORNN(3, 1)
        units = jax.vmap(lambda *unit: params._replace(
            **{k: leaf[None] for k, leaf in zip(("w", "r", "U", "b"), unit, strict=True)},
            V=params.V[:1, :1], c=params.c[:1]))(*params[:4])  # fmt: skip
        spectra = jax.vmap(lambda p: probes.lyapunov_spectrum(one, None, p, BATCH)["exponents"])
        return values["log_singular_values"], spectra(units)

    values, spectra = map(np.asarray, measure(params_of(CELLS["UnICORNN"])))
    np.testing.assert_allclose(values, -values[:, ::-1], atol=1e-10)
    assert np.max(values[-1]) > 0.1
    np.testing.assert_allclose(spectra[:, 0], -spectra[:, 1], atol=1e-8)
    assert np.min(spectra[:, 0]) > 0


def test_unicornn_starts_as_published():
    params = jax.tree.map(np.asarray, jax.jit(UnICORNN(4, 2000).init)(KEY))
    largest = np.sqrt(6 / 65 / 4)
    for entries, low, high in (
        (params.w, 0, 1),
        (params.r, -0.1, 0.1),
        (params.U, -largest, largest),
    ):
        assert low <= np.min(entries) < np.max(entries) <= high
        np.testing.assert_allclose(np.mean(entries), (low + high) / 2, atol=0.03 * (high - low))
        np.testing.assert_allclose(np.std(entries), (high - low) / np.sqrt(12), rtol=0.05)


@pytest.mark.parametrize("name", wide_but(["UnICORNN"], ["CoRNN", "UnICORNN"]))
def test_float32_has_the_gradient_of_float64_where_units_are_saturated(name):
    """tanh rounds to 1 at every step, its slope is 1e-10; so does the logistic function."""
    cell, T = CELLS[name], 20
    params = jax.tree.map(np.asarray, params_of(cell))
    params = params._replace(b=params.b + 12, U=params.U / 10)
    if name == "UnICORNN":
        params = params._replace(r=params.r + 25)

    def gradient(dtype):
        given = jax.tree.map(lambda a: a.astype(dtype), (params, BATCH))
        batch = jax.tree.map(lambda a: a[:T], given[1])
        return scaled.plain(rnnjax.BPTT()(cell, squared_error, given[0], batch, None).grads)

    exact, found = (jax.tree.map(np.asarray, jax.jit(gradient, static_argnums=0)(d))
                    for d in ("float64", "float32"))  # fmt: skip
    assert all(a.dtype == np.float32 for a in jax.tree.leaves(found))
    assert 0 < np.max(np.abs(exact.b)) < 1e-7
    assert relative_error(found, exact) < 1e-4


def test_the_slope_of_the_force_keeps_its_digits():
    """4 exp(-2 |z|) far out, in float32, where 1 - tanh(z)^2 is 0."""
    z = np.array([0.0, 12.0, -30.0], np.float32)
    slopes = jax.jit(jax.vmap(jax.grad(tanh)))(z)
    np.testing.assert_allclose(slopes, [1, 4 * np.exp(-24.0), 4 * np.exp(-60.0)], rtol=3e-6)
