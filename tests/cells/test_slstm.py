"""The sLSTM: what its stabiliser leaves as it is, and the exponents of its memory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dynamics, probes, rules, scaled, tangents
from rnnjax.cells.slstm import SLSTM, powerlaw_forget_bias
from rnnjax.losses import squared_error

RNG = np.random.default_rng(5)
N, T = 3, 40
BATCH = rnnjax.Batch(
    x=jax.device_put(2 * RNG.standard_normal((T, 2))),
    y=jax.device_put(RNG.standard_normal((T, 2))),
    mask=jax.device_put(RNG.uniform(0.5, 1.5, T)),
)


def cell_of(**changed):
    return SLSTM(2, N, 2, **{"gain": 1.3, "forget_bias": jnp.array([3.0, 1.0, -1.0]), **changed})


@jax.jit
def drawn(cell, key):
    return cell.init(key)


def params_of(cell, seed):
    """The same whatever the coordinates are."""
    cell = cell.replace(stabilised=True, floor=False)
    return jax.tree.map(np.asarray, drawn(cell, jax.random.key(seed)))


def drives(cell, params, x):
    return np.asarray(jax.jit(jax.vmap(lambda x: cell.drive(params, x)))(x))


def states(cell, params, x):
    step = lambda h, x: (cell.step(params, h, x),) * 2  # noqa: E731
    return jax.lax.scan(step, cell.initial_state(), x)[1]


@functools.cache
def results(stabilised, floor):
    """Outputs, gradient and states with the same parameters in one or the other coordinates."""
    cell = cell_of(stabilised=stabilised, floor=floor)

    @jax.jit
    def run(params):
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
        return states(cell, params, BATCH.x), jax.value_and_grad(loss)(params)

    h, (loss, gradient) = run(params_of(cell, 0))
    return np.split(np.asarray(h), cell.n_h // N, axis=1), loss, jax.tree.leaves(gradient)


def test_the_stabiliser_changes_no_output_and_no_gradient():
    (h, c, n, m), loss, gradient = results(True, False)
    (plain_h, C, normaliser), plain_loss, plain_gradient = results(False, False)
    np.testing.assert_allclose(h, plain_h, rtol=0, atol=1e-14)
    np.testing.assert_allclose(loss, plain_loss, rtol=1e-14)
    for a, b in zip(gradient, plain_gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.exp(m) * c, C, rtol=1e-12)
    np.testing.assert_allclose(np.exp(m) * n, normaliser, rtol=1e-12)


def test_the_stabilised_normaliser_is_never_below_one():
    (_, _, n, _), *_ = results(True, False)
    assert np.all(n[0] == 1) and np.all(n >= 1) and np.any(n > 1.5)


def test_with_a_floor_under_the_normaliser_the_stabiliser_shows():
    (h, *_), loss, gradient = results(True, False)
    (with_floor, *_), floored_loss, of_floor = results(True, True)
    (plain_floor, *_), plain_loss, of_plain = results(False, True)
    for a, b in ((h, with_floor), (with_floor, plain_floor)):
        assert np.max(np.abs(a - b)) > 0.01
    for a, b in ((loss, floored_loss), (floored_loss, plain_loss)):
        assert abs(a / b - 1) > 1e-4
    for other in (of_floor, gradient):
        assert max(np.max(np.abs(a - b)) for a, b in zip(of_plain, other, strict=True)) > 0.01


@pytest.fixture(scope="module")
def unmixed():
    """W = 0, the published start: cell without a stabiliser, parameters, the gate of each step."""
    cell = cell_of(gain=0.0, stabilised=False)
    params = params_of(cell, 1)
    assert np.all(params.W == 0)
    f = drives(cell, params, BATCH.x)[:, N : 2 * N]
    return cell, params, -np.logaddexp(0, -f)


def test_without_mixing_a_memory_decays_by_its_forget_gate(unmixed):
    """The part of J_t for c and n is diag(s(f), s(f)), and h of the step before acts on nothing."""
    cell, params, log_f = unmixed

    @jax.jit
    def jacobians(x):
        before = jnp.concatenate([cell.initial_state()[None], states(cell, params, x)[:-1]])
        return jax.vmap(jax.jacobian(functools.partial(cell.step, params)))(before, x)

    J = np.asarray(jacobians(BATCH.x))
    assert np.all(J[:, :, :N] == 0)
    for t in range(T):
        expected = np.diag(np.exp(np.tile(log_f[t], 2)))
        np.testing.assert_allclose(J[t, N:, N:], expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("stabilised", [False, True])
def test_exponents_of_c_and_n_are_the_mean_log_of_the_forget_gate(unmixed, stabilised):
    """Under a constant input, so that after 800 steps the angle between h and c, n is constant."""
    cell, params, _ = unmixed
    cell = cell.replace(stabilised=stabilised)
    x = np.tile(BATCH.x[3], (1000, 1))
    batch = rnnjax.Batch(x, x, np.ones(1000))
    found = jax.jit(
        lambda p: probes.lyapunov_spectrum(
            cell, None, p, batch, n_exponents=2 * N, n_discarded=800
        )["exponents"]
    )(params)
    f = np.asarray(x[0] @ params.U.T + params.b)[N : 2 * N]
    expected = np.sort(np.repeat(-np.logaddexp(0, -f), 2))[::-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_exponents_under_random_inputs(unmixed):
    """To the angle between h and c, n at both ends, over T."""
    cell, params, _ = unmixed
    x = np.random.default_rng(0).standard_normal((2000, 2))
    found = jax.jit(
        lambda p: probes.lyapunov_spectrum(
            cell, None, p, rnnjax.Batch(x, x, np.ones(2000)), n_exponents=2 * N, n_discarded=100
        )["exponents"]
    )(params)
    f = drives(cell, params, x)[100:, N : 2 * N]
    expected = np.sort(np.repeat(-np.mean(np.logaddexp(0, -f), axis=0), 2))[::-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("gain", "rule"),
    [
        (1.3, rules.BPTT()),
        pytest.param(1.3, rules.RTRL(), marks=pytest.mark.wide),
        (0.0, rules.SnAp(1)),
    ],
    ids=["BPTT", "RTRL", "SnAp"],
)
def test_a_rule_gives_the_gradient(gain, rule):
    """SnAp-1 where units do not mix: it keeps all four entries of a unit."""
    cell = cell_of(gain=gain)

    @jax.jit
    def run(params):
        loss = lambda p: rnnjax.sequence_loss(cell, squared_error, p, BATCH)  # noqa: E731
        state = rule.init(cell, params, BATCH)
        out = rule(cell, squared_error, params, BATCH, state)
        return scaled.plain(out.grads), jax.grad(loss)(params)

    found, expected = run(params_of(cell, 2))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1, np.max(np.abs(b))))


def test_lags_are_those_of_separate_gradients():
    cell = cell_of()

    @jax.jit
    def run(params):
        h = jnp.concatenate([cell.initial_state()[None], states(cell, params, BATCH.x)])

        def log_norm(lag):
            def last(h):
                for x in BATCH.x[T - lag :]:
                    h = cell.step(params, h, x)
                return squared_error(cell.readout(params, h), BATCH.y[-1])

            return jnp.log(jnp.linalg.norm(jax.grad(last)(h[T - lag])))

        found = probes.log_norm_by_lag(cell, squared_error, params, BATCH)["log_norm"]
        return found[jnp.array([0, 1, 4])], [log_norm(lag) for lag in (0, 1, 4)]

    found, expected = run(params_of(cell, 3))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_the_exponents_sum_to_the_mean_log_determinant():
    """In coordinates without a stabiliser: where an input gate wins, m loses its past."""
    cell = cell_of(stabilised=False)

    @jax.jit
    def run(params):
        found = probes.lyapunov_spectrum(cell, None, params, BATCH)["exponents"]
        return jnp.sum(found), probes.mean_log_det(cell, None, params, BATCH)["mean_log_det"]

    found, expected = run(params_of(cell, 4))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def jacobians_at(cell, params, h, x):
    at = dynamics.point(cell, params, h, dynamics.drive(cell, params, x))
    tangent = tangents.linearize(cell, params, at)
    return scaled.plain(tangent.as_matrix()), scaled.plain(tangent.to_drive(jnp.ones_like(h)))


saturated_run = jax.jit(lambda *given: jacobians_at(cell_of(gain=0.5), *given))


@pytest.mark.parametrize("size", [30.0, 200.0])
def test_saturated_gates_in_float32(size):
    """Gates shut and open, exponential gates far apart: J_t and dh_t/dz_t to float32's digits.

    The second unit keeps what it has, as its input gate is shut even further than its forget gate.
    """
    cell = cell_of(gain=0.5)
    params = params_of(cell, 6)
    gates = np.array(
        [[0.0, -2 * size, size], [-size, -size, size], [0.1, 0.2, 0.3], [-0.2, 0.5, 1.0]]
    )
    params = params._replace(b=gates.ravel())
    h = np.array([0.3, 0.3, 0.3, 0.7, -0.4, 0.9, 1.7, 1.7, 1.7, 0.2, -0.1, 0.4])
    small = jax.tree.map(lambda a: a.astype(np.float32), (params, h, np.zeros(2)))
    given = jax.tree.map(lambda a: a.astype(np.float64), small)
    expected, by_drive = map(np.asarray, saturated_run(*given))
    found, found_by_drive = map(np.asarray, saturated_run(*small))
    assert found.dtype == jnp.float32
    kept = np.diag(expected)[N : 2 * N]
    assert kept[0] < np.exp(-0.9 * size) and kept[1] > 0.9
    memory = np.s_[N : 3 * N, N:]
    np.testing.assert_allclose(found[memory], expected[memory], rtol=1e-4, atol=1e-37)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found_by_drive, by_drive, rtol=0, atol=1e-5)


@jax.jit
def first_step(cell, params, x):
    """The first state, the gradient of the sum of its outputs, the drive."""
    first = lambda p: cell.step(p, cell.initial_state(), x)  # noqa: E731
    gradient = jax.grad(lambda p: jnp.sum(first(p)[:N]))(params)
    return first(params), gradient, cell.drive(params, x)


@pytest.mark.parametrize("i", [-800.0, 0.0, 800.0])
def test_the_first_step_has_no_past(i):
    """h_1 = s(o) tanh(z) whatever the input gate: n_1 = 1, where exp(i) leaves the range."""
    cell = cell_of(gain=0.0)
    params = params_of(cell, 7)
    params = params._replace(b=np.append(np.full(N, i), params.b[N:]))

    (h, gradient, d), n = jax.tree.map(np.asarray, first_step(cell, params, BATCH.x[0])), N
    expected = 1 / (1 + np.exp(-d[3 * n :])) * np.tanh(d[2 * n : 3 * n])
    np.testing.assert_allclose(h[:n], expected, rtol=1e-15)
    np.testing.assert_array_equal(h[2 * n : 3 * n], 1)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(gradient.b[: 2 * n], 0, atol=1e-15)


def test_the_published_forget_biases():
    first, last = powerlaw_forget_bias(5), powerlaw_forget_bias(5, 1.0)
    np.testing.assert_allclose(first, 5 - 12 * np.array([0, 0.25, 0.5, 0.75, 1]) ** 0.3)
    np.testing.assert_allclose(last, 5 - 12 * np.array([0, 0.25, 0.5, 0.75, 1]) ** 1.6)
    b = params_of(cell_of(forget_bias=powerlaw_forget_bias(N)), 0).b
    np.testing.assert_allclose(b[N : 2 * N], powerlaw_forget_bias(N))
