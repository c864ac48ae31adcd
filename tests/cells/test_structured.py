"""Cells whose recurrence has a structure: own state alone, antisymmetric, one gate.

What holds of all of them is tested of the orthogonal RNN too.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, dynamics, probes, rules, scaled, tangents
from rnnjax.cells.antisymmetric import Antisymmetric
from rnnjax.cells.ind_rnn import IndRNN
from rnnjax.cells.minimal_rnn import MinimalRNN
from rnnjax.cells.orthogonal_rnn import OrthogonalRNN
from rnnjax.losses import squared_error
from tests.crossed import wide_but

RNG = np.random.default_rng(7)
N, T = 4, 20
BATCH = rnnjax.Batch(
    x=jax.device_put(RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 2))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)
CELLS = {
    "IndRNN": IndRNN(2, N, 2, activation=activations.tanh, n_steps=10.0),
    "IndRNN-leaky": IndRNN(2, N, 2, activation=activations.leaky_relu, n_steps=10.0),
    "MinimalRNN": MinimalRNN(2, N, 2, gain=2.0, candidate_gain=1.5, forget_bias=0.5),
    "Antisymmetric": Antisymmetric(2, N, 2, gain=1.5),
    "Antisymmetric-gated": Antisymmetric(2, N, 2, gain=1.5, gated=True),
    "OrthogonalRNN": OrthogonalRNN(2, N, 2),
}
identity = activations.identity


def silence(n_steps, n_x=2):
    zeros = np.zeros((n_steps, n_x))
    return rnnjax.Batch(zeros, zeros, np.ones(n_steps))


@functools.partial(jax.jit, static_argnames="n_discarded")
def spectrum(cell, params, batch, n_discarded=0):
    found = probes.lyapunov_spectrum(cell, None, params, batch, n_discarded=n_discarded)
    return found["exponents"]


def params_of(cell, seed):
    return jax.tree.map(np.asarray, jax.jit(cell.init)(jax.random.key(seed)))


jacobian_of = jax.jit(lambda cell, params, h, x: jax.jacobian(cell.step, argnums=1)(params, h, x))
step_of = jax.jit(lambda cell, params, h, x: cell.step(params, h, x))


def separate_gradients(cell, params, h):
    """log ||dL_T/dh_{T-k}|| for every k > 0, one jax.grad each."""

    def last(h, start):
        def step(h, at):
            t, x = at
            return jnp.where(t >= start, cell.step(params, h, x), h), None

        h, _ = jax.lax.scan(step, h, (jnp.arange(T), BATCH.x))
        return squared_error(cell.readout(params, h), BATCH.y[-1])

    gradients = jax.vmap(jax.grad(last))(h, jnp.arange(T))
    return jnp.log(jnp.linalg.norm(gradients, axis=1))[::-1]


@functools.cache
def results(name):
    """All that is measured of one cell, in one program."""
    cell = CELLS[name]
    which = {"BPTT": rules.BPTT()}
    # The tangent of a minimal RNN is of the class of that of CoRNN, with RTRL in every run.
    which |= {"RTRL": rules.RTRL()} if name != "MinimalRNN" else {}
    which |= {"SnAp": rules.SnAp(1)} if "IndRNN" in name else {}

    @jax.jit
    def run(key):
        params = cell.init(key)
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
        out = [r(cell, squared_error, params, BATCH, r.init(cell, params, BATCH))
               for r in which.values()]  # fmt: skip
        step = lambda h, x: (cell.step(params, h, x), h)  # noqa: E731
        before = jax.lax.scan(step, cell.initial_state(), BATCH.x)[1]
        return {
            "gradient": jax.grad(loss)(params),
            "rules": [scaled.plain(o.grads) for o in out],
            "by lag": probes.log_norm_by_lag(cell, squared_error, params, BATCH)["log_norm"][1:],
            "one by one": separate_gradients(cell, params, before),
            "sum": jnp.sum(probes.lyapunov_spectrum(cell, None, params, BATCH)["exponents"]),
            "determinant": probes.mean_log_det(cell, None, params, BATCH)["mean_log_det"],
        }

    return run(jax.random.key(3))


FOR_CELLS = pytest.mark.parametrize("name", wide_but(["MinimalRNN"], CELLS))


@FOR_CELLS
def test_exact_rules_give_the_gradient(name):
    """SnAp-1 too where units read themselves alone."""
    expected = jax.tree.leaves(results(name)["gradient"])
    assert all(np.max(np.abs(leaf)) > 1e-3 for leaf in expected)
    for found in results(name)["rules"]:
        for a, b in zip(jax.tree.leaves(found), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.max(np.abs(b))))


@FOR_CELLS
def test_lags_are_those_of_separate_gradients(name):
    found = results(name)
    np.testing.assert_allclose(found["by lag"], found["one by one"], rtol=0, atol=1e-12)


@FOR_CELLS
def test_the_exponents_sum_to_the_mean_log_determinant(name):
    found = results(name)
    assert np.isfinite(found["sum"])
    np.testing.assert_allclose(found["sum"], found["determinant"], rtol=0, atol=1e-12)


def test_an_active_relu_unit_of_an_ind_rnn_multiplies_by_w():
    """dh_t/dh_{t-k} = diag(w^k), to the last digits, and the exponents are ln w."""
    cell, w = IndRNN(2, N, 2), np.array([1.05, 0.7, 0.5, 0.9])
    params = params_of(cell, 0)._replace(w=w, b=np.full(N, 100.0))

    @jax.jit
    def run(params):
        last = lambda h: jax.lax.scan(  # noqa: E731
            lambda h, x: (cell.step(params, h, x), None), h, BATCH.x
        )[0]
        return jax.jacobian(last)(jnp.ones(N))

    np.testing.assert_allclose(run(params), np.diag(w**T), rtol=1e-14, atol=0)
    found = spectrum(cell, params, silence(300), n_discarded=200)
    np.testing.assert_allclose(found, np.sort(np.log(w))[::-1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("least", "most"), [(0.0, 2.0), (0.5, 2.0), (0.2, 5.0)])
def test_an_ind_rnn_begins_within_its_range_of_growth(least, most):
    cell = IndRNN(1, 1000, n_steps=784.0, least=least, most=most)
    w = np.asarray(params_of(cell, 0).w)
    growth = w**784
    assert np.all(growth <= most * (1 + 1e-12)) and np.all(growth >= least * (1 - 1e-12))
    assert growth.max() > 0.4 * most and w.min() < least ** (1 / 784) + 0.01
    with pytest.raises(ValueError, match="least: expected at most the field most"):
        IndRNN(1, 2, least=3.0)


@pytest.mark.parametrize("by_row", [False, True])
def test_a_saturated_ind_rnn_in_float32(by_row):
    cell = CELLS["IndRNN"]
    params = params_of(cell, 1)
    h, x = np.full(N, 0.9), np.zeros(2)
    params = params._replace(b=np.array([20.0, 40.0, -60.0, 0.1]))

    def matrix(params, h, x):
        at = dynamics.point(cell, params, h, dynamics.drive(cell, params, x))
        J = tangents.at_rows(tangents.linearize(cell, params, at, by_row=by_row).as_matrix())
        return jnp.diagonal(jax.vmap(scaled.shift)(J.value.astype(float), J.exponent))

    given = (params, h, x)
    found = np.asarray(jax.jit(matrix)(*jax.tree.map(np.float32, given)))
    z = np.asarray(params.w * h + params.b)
    exact = np.asarray(params.w) * 4 * np.exp(-2 * np.abs(z)) / (1 + np.exp(-2 * np.abs(z))) ** 2
    assert exact.min() < 1e-50
    known = slice(None) if by_row else exact > 1e-37
    np.testing.assert_allclose(found[known], exact[known], rtol=1e-5)


def antisymmetric_spectrum(cell, params):
    """ln |1 - eps gamma + i eps omega|, descending."""
    omega = np.linalg.eigvals(np.asarray(params.W - params.W.T)).imag
    return np.sort(np.log(np.abs(1 - cell.step_size * (cell.damping - 1j * omega))))[::-1]


@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_a_linear_antisymmetric_network_has_the_exponents_of_one_euler_step(damping):
    cell = Antisymmetric(2, N, activation=identity, step_size=0.4, damping=damping)
    params = params_of(cell, 2)
    expected = antisymmetric_spectrum(cell, params)
    assert expected[0] - expected[2] > 0.05
    found = spectrum(cell, params, silence(600), n_discarded=400)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_without_damping_an_antisymmetric_network_explodes():
    """At 1/2 ln(1 + eps^2 omega^2) a step, the same for every gradient in a plane."""
    eps, omega = 0.1, 1.7
    cell = Antisymmetric(2, 2, activation=identity, step_size=eps, damping=0.0)
    params = params_of(cell, 0)._replace(W=np.array([[0.4, omega], [0.0, -3.0]]))
    probe = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, silence(1000))["log_norm"])
    growth = 0.5 * math.log1p(eps**2 * omega**2)
    found = np.asarray(probe(params))
    np.testing.assert_allclose(found - found[0], growth * np.arange(1001), rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize(("share", "sign"), [(0.99, -1), (1.0, 0), (1.01, 1)])
def test_an_antisymmetric_network_is_stable_up_to_the_edge(share, sign):
    """omega^2 <= gamma (2 / eps - gamma)."""
    eps, gamma = 0.2, 0.3
    omega = share * math.sqrt(gamma * (2 / eps - gamma))
    cell = Antisymmetric(2, 2, activation=identity, step_size=eps, damping=gamma)
    params = params_of(cell, 0)._replace(W=np.array([[0.0, omega], [0.0, 0.0]]))
    found = np.asarray(spectrum(cell, params, silence(20)))
    expected = 0.5 * math.log((1 - eps * gamma) ** 2 + (eps * omega) ** 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert np.all(np.sign(np.where(np.abs(found) < 1e-14, 0, found)) == sign)


def test_an_open_gate_leaves_the_antisymmetric_step():
    plain, gated = CELLS["Antisymmetric"], CELLS["Antisymmetric-gated"]
    params = params_of(plain, 1)
    beside = params._replace(
        U=np.concatenate([0 * params.U, params.U]), b=np.append(np.full(N, 50.0), params.b)
    )
    h, x = np.linspace(-1, 1, N), np.asarray(BATCH.x[0])
    expected = step_of(plain, params, h, x)
    np.testing.assert_allclose(step_of(gated, beside, h, x), expected, rtol=0, atol=1e-15)
    shut = beside._replace(b=-beside.b)
    np.testing.assert_allclose(step_of(gated, shut, h, x), h, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [20.0, 50.0])
def test_saturated_antisymmetric_units_in_float32(size):
    """The identity and what units that still move add to it, to float32's digits."""
    cell = CELLS["Antisymmetric"]
    params = params_of(cell, 1)._replace(b=np.array([size, -size, 0.1, 5.0]))
    check_float32(cell, params, np.linspace(-1, 1, N), rtol=2e-6, atol=1e-9)


@functools.partial(jax.jit, static_argnums=0)
def matrices(cell, params, h, x):
    at = dynamics.point(cell, params, h, dynamics.drive(cell, params, x))
    tangent = tangents.linearize(cell, params, at)
    return scaled.plain(tangent.as_matrix()), scaled.plain(tangent.to_drive(jnp.ones_like(h)))


def check_float32(cell, params, h, *, rtol, atol):
    """J_t of float32 numbers against that of the same numbers in float64."""

    small = jax.tree.map(np.float32, (params, h, np.zeros(2)))
    exact = matrices(cell, *jax.tree.map(np.float64, small))
    for found, expected in zip(matrices(cell, *small), exact, strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("size", [25.0, 80.0])
def test_saturated_gates_of_a_minimal_rnn_in_float32(size):
    """What an open gate lets in and what a shut one keeps, relative to itself."""
    cell = CELLS["MinimalRNN"]
    params = params_of(cell, 1)._replace(b=np.array([size, -size, 0.1, -size]))
    check_float32(cell, params, np.linspace(-1, 1, N), rtol=1e-4, atol=1e-43)


def test_a_minimal_rnn_without_weights_on_its_gate_keeps_by_its_bias():
    """dh_T/dh_{T-k} = s(b)^k; the exact half-life of b = 3 is 14.266 steps."""
    cell = MinimalRNN(2, N, 2, gain=0.0, candidate_gain=0.0, forget_bias=3.0)
    probe = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, BATCH)["log_norm"])
    found = np.asarray(probe(params_of(cell, 0)))
    log_keep = -math.log1p(math.exp(-3))
    np.testing.assert_allclose(found - found[0], log_keep * np.arange(T + 1), rtol=0, atol=1e-13)
    assert abs(math.log(0.5) / log_keep - 14.266) < 1e-4


@pytest.mark.parametrize("bias", [-1.3, 0.0, 1.3])
def test_the_jacobian_of_a_minimal_rnn(bias):
    """diag(s(a)) + diag(s'(a) (h - z)) W, on both sides of s = 1/2 and at a = 0."""
    cell = CELLS["MinimalRNN"]
    params = params_of(cell, 2)
    h, x = np.linspace(-1, 1, N), np.asarray(BATCH.x[0])
    z = np.tanh(params.U @ x)
    params = params._replace(b=bias - params.W @ h - params.G @ z)
    J = jacobian_of(cell, params, h, x)
    a = params.W @ h + params.G @ z + params.b
    u = 1 / (1 + np.exp(-a))
    expected = np.diag(u) + (u * (1 - u) * (h - z))[:, None] * params.W
    np.testing.assert_allclose(J, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(step_of(cell, params, h, x), u * h + (1 - u) * z, rtol=0, atol=1e-15)
