"""Identities that no single module owns; docs/development/identities.md has the list."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import activations, analysis, probes, rules, scaled, tasks

KEY = jax.random.key(0)
T = 12


def noise(n_x=1):
    return tasks.WhiteNoise(T, n_x).sample(jax.random.key(1))


def gradient(rule, cell, params, batch):
    """The gradient of a rule, plain."""
    loss = tasks.WhiteNoise(T, batch.x.shape[1]).loss
    out = jax.jit(lambda p, b: rule(cell, loss, p, b, rule.init(cell, p, b, KEY)))(params, batch)
    return scaled.plain(out.grads)


def test_the_gradient_of_a_linear_network_is_a_sum_over_lags():
    """dL/dW = sum_k (W^T)^k g h_{T-1-k}^T for a loss at the last step."""
    cell = rnnjax.Vanilla(1, 4, 1, activation=activations.identity)
    params = cell.init(KEY)
    batch = noise().replace(mask=jnp.eye(T)[-1])
    W, U, b, V = (np.asarray(p) for p in params[:4])
    states = [np.zeros(4)]
    for x in np.asarray(batch.x):
        states.append(W @ states[-1] + U @ x + b)
    loss = tasks.WhiteNoise(T, 1).loss
    y_hat = V @ states[-1] + np.asarray(params.c)
    g = V.T @ np.asarray(jax.grad(lambda y: loss(y, batch.y[-1]))(y_hat))
    powers = [np.linalg.matrix_power(W.T, k) for k in range(T)]
    expected = sum(np.outer(powers[k] @ g, states[T - 1 - k]) for k in range(T))
    np.testing.assert_allclose(gradient(rules.BPTT(), cell, params, batch).W, expected, rtol=1e-11)


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["symmetric", "not normal"])
def test_a_gradient_starts_at_the_norm_of_w_and_ends_at_its_spectral_radius(kind):
    """Gelfand: log ||W^k|| / k goes from log ||W||_2 to log rho(W); for normal W both are one."""
    W = np.diag([0.9, 0.5, 0.2])
    W[0, 1] = 0.0 if kind == "symmetric" else 5.0
    cell = rnnjax.Vanilla(1, 3, 1, activation=activations.identity)
    params = cell.init(KEY)._replace(W=jnp.asarray(W))
    batch = rnnjax.Batch(jnp.zeros((400, 1)), jnp.zeros((400, 1)), jnp.ones(400))
    found = jax.jit(lambda p: probes.log_singular_values(cell, None, p, batch))(params)
    logs = np.asarray(found["log_singular_values"])[:, 0]
    assert logs[0] == pytest.approx(np.log(np.linalg.norm(W, 2)))
    assert logs[-1] - logs[-2] == pytest.approx(np.log(0.9), abs=1e-12)
    if kind == "symmetric":
        np.testing.assert_allclose(logs, np.arange(1, 401) * np.log(0.9), rtol=1e-12)
    else:
        assert logs.max() > 1.5 and logs[-1] < -35


@pytest.mark.parametrize("a", [1.0, 0.9, 1.2])
def test_relu_networks_that_start_at_the_identity_carry_the_gradient_unchanged(a):
    """With W = a I and nothing negative every Jacobian is a I: dL/dh_{T-k} = a^k dL/dh_T."""
    recurrent = rnnjax.cells.identity
    cell = rnnjax.Vanilla(1, 3, 1, activation=activations.relu, recurrent=recurrent, gain=a)
    params = cell.init(KEY)
    params = params._replace(U=jnp.abs(params.U))
    batch = rnnjax.Batch(jnp.ones((50, 1)), jnp.zeros((50, 1)), jnp.ones(50))
    found = jax.jit(lambda p: probes.log_norm_by_lag(cell, None, p, batch))(params)
    np.testing.assert_allclose(found["log_norm"], np.arange(51) * np.log(a), atol=1e-13)


@pytest.mark.wide
def test_a_permutation_keeps_every_length():
    """All exponents are 0, the dimension is full, and no entropy is made."""
    cell = rnnjax.Vanilla(1, 5, 1, activation=activations.identity)
    params = cell.init(KEY)._replace(W=jnp.eye(5)[jnp.array([2, 0, 3, 4, 1])])
    found = jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, noise()))(params)
    exponents = np.round(found["exponents"], 13)
    np.testing.assert_array_equal(exponents, 0)
    assert analysis.kaplan_yorke_dimension(exponents) == 5
    assert analysis.entropy_rate(exponents) == 0


def test_eligibility_traces_are_exact_when_the_learning_signal_is_the_total_derivative():
    """BPTT = sum_t (dL/dh_t, total) D_t: what e-prop drops is in the signal, not in the trace."""
    cell = rnnjax.Vanilla(1, 4, 1, gain=1.3)
    params, batch = cell.init(KEY), noise()
    loss = tasks.WhiteNoise(T, 1).loss

    @jax.jit
    def total(p):
        trajectory = rnnjax.unroll(cell, p, batch.x)
        h = scaled.plain(trajectory.states)
        _, g = rnnjax.cotangents.readout_source(cell, loss, p, h, batch.y, batch.mask)
        nothing = scaled.normalise(jnp.zeros_like(g.value[0]))
        residuals = rnnjax.scan.residuals(cell, p, trajectory)
        deltas, _ = rnnjax.adjoint.scan_back(cell, p, residuals, nothing, g)
        return scaled.plain(deltas), h

    deltas, h = map(np.asarray, total(params))
    slopes = 1 - h**2
    before = np.concatenate([np.zeros((1, 4)), h[:-1]])
    expected = np.einsum("ti,tj->ij", deltas * slopes, before)
    np.testing.assert_allclose(gradient(rules.BPTT(), cell, params, batch).W, expected, rtol=1e-11)


@pytest.mark.wide
def test_renaming_units_renames_the_gradient_and_turning_their_sign_changes_nothing():
    """tanh is odd: W, U, b, V may be conjugated by permutations and signs."""
    cell = rnnjax.Vanilla(1, 5, 1, gain=1.4, bias_gain=0.3)
    params, batch = cell.init(KEY), noise()
    P = np.eye(5)[[3, 0, 4, 1, 2]] * np.array([1, -1, -1, 1, -1])
    turned = params._replace(W=P @ params.W @ P.T, U=P @ params.U, b=P @ params.b, V=params.V @ P.T)
    plain, other = (gradient(rules.RTRL(), cell, p, batch) for p in (params, turned))
    np.testing.assert_allclose(other.W, P @ plain.W @ P.T, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(other.V, plain.V @ P.T, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(other.b, P @ plain.b, rtol=1e-10, atol=1e-13)
    spectra = [
        jax.jit(lambda p: probes.lyapunov_spectrum(cell, None, p, noise()))(p)["exponents"].sum()
        for p in (params, turned)
    ]
    assert abs(float(spectra[0] - spectra[1])) < 1e-11
