"""Lyapunov spectra against determinants, eigenvalues, a loop in NumPy and the transfer operator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, analysis, probes, theory
from rnnjax.probes import lyapunov

KEY = jax.random.key(0)


def batch_of(x):
    return rnnjax.Batch(x, jnp.zeros((len(x), 1)), jnp.ones(len(x)))


def jacobians(cell, params, x):
    """Every J_t by automatic differentiation, (T, n_h, n_h)."""

    def step(h, x):
        J = jax.jacfwd(lambda h: cell.step(params, h, x))(h)
        return cell.step(params, h, x), J

    return jax.lax.scan(step, cell.initial_state(), x)[1]


class OwnCell:
    """A user's cell: a step and nothing else."""

    n_x, n_h, n_y = 2, 4, 1

    def init(self, key):
        return jax.random.normal(key, (self.n_h, self.n_h)) * 0.8

    def initial_state(self):
        return jnp.full(self.n_h, 0.1)

    def step(self, params, h, x):
        return jnp.sin(params @ h) + 0.3 * h + x[0]

    def readout(self, params, h):
        return h[:1]


CELLS = {
    "Vanilla": rnnjax.Vanilla(2, 7, 1, gain=1.5),
    "leak": rnnjax.Vanilla(2, 6, 1, gain=2.0, leak=0.3),
    "LSTM": rnnjax.LSTM(2, 3, 1, gain=2.0),
    "own": OwnCell(),
}


@pytest.mark.wide
@pytest.mark.parametrize("name", CELLS)
def test_the_sum_of_all_exponents_is_the_mean_log_determinant(name):
    """And each of them is that of a loop which decomposes at every step."""
    cell = CELLS[name]
    params = cell.init(KEY)
    x = jax.random.normal(jax.random.key(1), (60, 2))
    n_h = cell.initial_state().size
    growth, Q = jax.jit(lambda p, x: lyapunov.log_growth(cell, p, x, n_h))(params, x)
    Js = np.asarray(jax.jit(lambda p, x: jacobians(cell, p, x))(params, x))
    expected = np.mean(np.linalg.slogdet(Js)[1])
    assert abs(float(jnp.sum(growth)) / len(x) - expected) < 1e-10
    Q_loop, total = np.asarray(lyapunov._generic(jnp.zeros(n_h), n_h)), 0
    for J in Js:
        Q_loop, R = np.linalg.qr(J @ Q_loop)
        total = total + np.log(np.abs(np.diag(R)))
    # Where columns nearly coincide either loses digits: as many as e^{spread} has.
    np.testing.assert_allclose(np.sum(growth, 0), total, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(np.abs(np.sum(Q * Q_loop, 0)), 1, rtol=1e-7)


def test_exponents_of_a_linear_network_are_those_of_its_eigenvalues():
    n_h = 6
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n_h, n_h)))[0]
    eigenvalues = np.array([1.5, -1.1, 0.9, 0.5, -0.2, 0.05])
    cell = rnnjax.Vanilla(1, n_h, 1, activation=activations.identity)
    params = cell.init(KEY)._replace(W=jnp.asarray(Q * eigenvalues @ Q.T))
    found = jax.jit(
        lambda p: probes.lyapunov_spectrum(
            cell, None, p, batch_of(jnp.ones((400, 1))), n_exponents=4, n_discarded=200
        )
    )(params)
    np.testing.assert_allclose(found["exponents"], np.log(np.abs(eigenvalues[:4])), atol=1e-10)
    np.testing.assert_allclose(np.abs(Q[:, 0] @ found["leading_direction"]), 1, rtol=1e-12)
    assert np.all(found["exponents_error"] < 1e-10)


def test_growth_before_the_count_begins_is_not_counted_with_what_follows():
    cell = rnnjax.Vanilla(1, 4, 1)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((24, 1)))
    batch = rnnjax.Batch(x, x, np.ones(24), np.ones(24, bool))

    @jax.jit
    def growth(params):
        ways = [lyapunov.growth(cell, params, batch, 2, 7, every=every) for every in (1, 10)]
        return [found.mean() for found in ways]

    np.testing.assert_allclose(*growth(cell.init(KEY)), rtol=1e-9)


@pytest.mark.wide
def test_an_isometry_has_exponents_zero_and_its_full_dimension():
    cell = rnnjax.Vanilla(
        1, 5, 1, activation=activations.identity, recurrent=rnnjax.cells.orthogonal
    )
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch_of(jnp.ones((50, 1)))))(
        cell.init(KEY)
    )
    np.testing.assert_allclose(found["exponents"], 0, atol=1e-14)
    assert analysis.kaplan_yorke_dimension(np.round(found["exponents"], 12)) == 5


def growth_of_saturated_networks(dtype):
    """Three networks whose strong inputs settle every state, so that rounding is not amplified."""
    cell = rnnjax.Vanilla(1, 24, 1)
    generator = np.random.default_rng(3)
    W = jnp.asarray(generator.standard_normal((3, 24, 24)) / 24**0.5, dtype)
    U = jnp.asarray(40 * generator.standard_normal((24, 1)), dtype)
    x = jnp.asarray(generator.standard_normal((12, 1)), dtype)
    params = jax.tree.map(lambda p: p.astype(dtype), cell.init(KEY))._replace(U=U)

    def one(W):
        return lyapunov.log_growth(cell, params._replace(W=W), x, 24)[0]

    return jnp.sum(jax.jit(jax.vmap(one))(W), axis=1)


@pytest.mark.wide
def test_saturated_units_do_not_blur_the_spectrum(float32):
    """Slopes fall to e^-150, out of the range of float32, and no exponent is lost."""
    single = np.asarray(growth_of_saturated_networks(jnp.float32), float)
    with jax.enable_x64(True):
        double = np.asarray(growth_of_saturated_networks(jnp.float64))
    assert double.min() / 12 < -87
    # One pair of exponents is nearly degenerate: 2e-5 of them moves from one to the other.
    np.testing.assert_allclose(single, double, rtol=5e-5, atol=2e-3)


def test_networks_side_by_side_are_decomposed_together_and_not_at_every_step():
    """The condition stays a condition under vmap; a select would decompose at every step."""
    cell = rnnjax.Vanilla(1, 4, 1, leak=0.3)
    params = jax.vmap(cell.init)(jax.random.split(KEY, 3))
    params = params._replace(W=params.W * jnp.array([0.2, 1, 3])[:, None, None])
    x = jnp.ones((30, 1))

    def growth(p):
        return lyapunov.log_growth(cell, p, x.astype(p.W.dtype), 4)[0]

    together = jax.jit(jax.vmap(growth))
    assert "cond[" in str(jax.make_jaxpr(together)(params))
    found = together(params)
    # In float32 all decompositions are told by their growth; in float64 those by QR alone.
    single = jax.tree.map(lambda a: a.astype(jnp.float32), params)
    counts = np.sum(np.any(np.asarray(together(single)) != 0, axis=2), axis=1)
    assert len(set(counts)) == 1 and counts[0] < 30
    alone = [jnp.sum(growth(jax.tree.map(lambda a, i=i: a[i], params)), 0) for i in range(3)]
    np.testing.assert_allclose(found.sum(1), np.stack(alone), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("w", "s"), [(1.0, 1.0), (2.0, 0.5)])
def test_a_noisy_unit_has_the_exponent_of_its_transfer_operator(w, s):
    cell = rnnjax.Vanilla(1, 1, 1)
    params = cell.init(KEY)._replace(W=jnp.full((1, 1), w), U=jnp.full((1, 1), s), b=jnp.zeros(1))
    x = jax.random.normal(jax.random.key(2), (20000, 1))
    found = jax.jit(lambda p, x: probes.lyapunov_spectrum(cell, None, p, batch_of(x)))(params, x)
    gap = abs(found["exponents"][0] - theory.transfer_operator.exponent(w, s))
    assert gap < 4 * found["exponents_error"][0] < 0.1


def test_a_silent_unit_has_no_exponent():
    cell = rnnjax.Vanilla(1, 2, 1, activation=activations.relu)
    params = cell.init(KEY)._replace(W=jnp.eye(2) * 0.5, b=jnp.array([1.0, -1.0]))
    batch = batch_of(jnp.zeros((30, 1)))
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch, n_discarded=1))(params)
    np.testing.assert_allclose(found["exponents"], [np.log(0.5), -np.inf], rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float64, pytest.param(jnp.float32, marks=pytest.mark.wide)])
def test_a_strong_step_after_a_quiet_start_loses_no_direction(dtype):
    """While nothing moves decompositions are rare. |det W| = 1, so that only slopes contract."""
    W = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
    cell, x = rnnjax.Vanilla(1, 4, 1), np.zeros((100, 1))
    x[60] = 20
    params = cell.init(KEY)._replace(W=jnp.asarray(W), U=jnp.array([[1.0], [2.0], [3.0], [5.0]]))
    params, batch = jax.tree.map(lambda a: a.astype(dtype), (params, batch_of(jnp.asarray(x))))
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, batch))(params)["exponents"]
    h, total = np.zeros(4), 0
    for x_t in x:
        z = W @ h + [1, 2, 3, 5] * x_t
        h, total = np.tanh(z), total - 2 * np.sum(np.log(np.cosh(z)))
    digits = 1e-9 if dtype == jnp.float64 else 1e-5
    np.testing.assert_allclose(np.sum(found), total / 100, rtol=digits)


def test_what_is_rounding_at_every_decomposition_is_lost():
    """Of an LSTM at rest dh' = o dc', so that the rows of h are multiples of those of c."""
    cell = rnnjax.LSTM(1, 4)
    batch = batch_of(jnp.zeros((12, 1)))

    @jax.jit
    def run(params):
        found = probes.lyapunov_spectrum(cell, None, params, batch)
        return found | probes.mean_log_det(cell, None, params, batch)

    found = run(cell.init(KEY))
    assert np.all(np.isfinite(found["exponents"][:4]))
    assert np.all(found["exponents"][4:] == -np.inf) and found["mean_log_det"] == -np.inf
    assert np.all(np.isnan(found["exponents_error"][4:]))


class _OfRankThree:
    """h' = tanh(M M^T h + x) with M (6, 3): three directions are lost in every step."""

    def initial_state(self):
        return jnp.ones(6)

    def step(self, M, h, x):
        return jnp.tanh(M @ (M.T @ h) + x)

    def readout(self, M, h):
        return h


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_directions_that_every_step_loses_are_lost_however_long_the_sequence(dtype, seed):
    """At a few of 1000 decompositions what is left in their place is larger than rounding."""
    rng = np.random.default_rng(seed)
    M, x = rng.normal(size=(6, 3)) * 0.45, rng.normal(size=(1000, 6)) * 0.5 + 0.4
    batch = batch_of(jnp.asarray(x, dtype))
    found = jax.jit(lambda M: probes.lyapunov_spectrum(_OfRankThree(), None, M, batch))(
        jnp.asarray(M, dtype)
    )
    assert np.all(np.isfinite(found["exponents"][:3]))
    assert np.all(found["exponents"][3:] == -np.inf)


class _BehindItsWeights:
    """h' = W relu(h) + x: a silent unit makes a column of the Jacobian 0, and no row."""

    def initial_state(self):
        return jnp.ones(6)

    def step(self, W, h, x):
        return W @ jax.nn.relu(h) + x

    def readout(self, W, h):
        return h


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_directions_that_one_step_loses_are_lost_for_good(dtype):
    """Units fall silent now and then: the fewest that are active at a time are left."""
    W = np.random.default_rng(1).normal(size=(6, 6)) * 0.4
    x = np.random.default_rng(5).normal(size=(40, 6)) + 0.7
    h, n_active = np.ones(6), []
    for x_t in x:
        n_active.append(np.sum(h > 0))
        h = W @ np.maximum(h, 0) + x_t
    left = min(n_active[10:])
    assert left == 3 and n_active[10:].count(left) == 6
    batch = batch_of(jnp.asarray(x, dtype))

    @jax.jit
    def run(W):
        given = (_BehindItsWeights(), None, W, batch)
        found = probes.lyapunov_spectrum(*given, n_discarded=10)
        return found | probes.mean_log_det(*given, n_discarded=10)

    found = run(jnp.asarray(W, dtype))
    assert np.all(np.isfinite(found["exponents"][:left]))
    assert np.all(found["exponents"][left:] == -np.inf) and found["mean_log_det"] == -np.inf
    assert np.all(np.isnan(found["exponents_error"][left:]))


@pytest.mark.parametrize(
    ("option", "told"),
    [({"n_exponents": 0}, "n_exponents: expected"), ({"n_exponents": 3}, "n_exponents: expected"),
     ({"n_discarded": 5}, "n_discarded: expected")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(option, told):
    cell = rnnjax.Vanilla(1, 2, 1)
    with pytest.raises(ValueError, match=told):
        probes.lyapunov_spectrum(cell, None, cell.init(KEY), batch_of(jnp.ones((5, 1))), **option)
