import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import activations, dynamics, scaled, tangents
from rnnjax.cells.minimal_rnn import MinimalRNN, MinimalRNNParams
from rnnjax.theory import minimal_rnn

# Quoted as critical, for candidates of variance 0.46.
GAIN, CANDIDATE_GAIN, POWER = 6.88, 1.39, 0.46
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(200)


def normal_mean(f, mean, variance):
    return (WEIGHTS / WEIGHTS.sum()) @ f(mean + math.sqrt(variance) * NODES)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_quoted_point_is_critical():
    """chi = 0.99878 at (6.88, 1.39) for R = 0.46: the critical gain at this ratio is 6.8917."""
    q = minimal_rnn.gate_variance(GAIN, CANDIDATE_GAIN, POWER)
    found = [
        q,
        minimal_rnn.state_power(q, POWER),
        minimal_rnn.chi(GAIN, CANDIDATE_GAIN, POWER),
        minimal_rnn.critical_gain(CANDIDATE_GAIN / GAIN, POWER),
    ]
    np.testing.assert_allclose(found, [15.93622, 0.317897, 0.998780, 6.891706], rtol=1e-6)


def test_on_the_critical_curve_the_closed_form_holds():
    """sw^2 R E s'^2 = (1 - E s^2)^2, and sw goes as R^(-1/2) at a fixed sv / sw."""
    ratio = CANDIDATE_GAIN / GAIN
    gains = [minimal_rnn.critical_gain(ratio, R) for R in (0.2, POWER, 1.0)]
    for gain, R in zip(gains, (0.2, POWER, 1.0), strict=True):
        q = minimal_rnn.gate_variance(gain, ratio * gain, R)
        S = normal_mean(lambda e: sigmoid(e) ** 2, 0, q)
        slope = normal_mean(lambda e: (sigmoid(e) * sigmoid(-e)) ** 2, 0, q)
        np.testing.assert_allclose(gain**2 * R * slope, (1 - S) ** 2, rtol=1e-5)
        np.testing.assert_allclose(gain * math.sqrt(R), gains[2], rtol=1e-11)


@pytest.mark.parametrize("bias", [-1.0, 0.0, 2.0])
def test_equations_one_to_three_by_another_quadrature(bias):
    gain, candidate_gain, R = 1.5, 0.8, 0.7
    q = minimal_rnn.gate_variance(gain, candidate_gain, R, bias)
    kept = normal_mean(lambda e: sigmoid(e) ** 2, bias, q)
    Q = R * normal_mean(lambda e: sigmoid(-e) ** 2, bias, q) / (1 - kept)
    slope = normal_mean(lambda e: (sigmoid(e) * sigmoid(-e)) ** 2, bias, q)
    np.testing.assert_allclose(q, gain**2 * Q + candidate_gain**2 * R, rtol=1e-11)
    np.testing.assert_allclose(minimal_rnn.state_power(q, R, bias), Q, rtol=1e-11)
    found = minimal_rnn.chi(gain, candidate_gain, R, bias)
    np.testing.assert_allclose(found, kept + gain**2 * slope * (Q + R), rtol=1e-11)


@pytest.mark.parametrize("bias", [-2.0, 0.0, 3.0])
def test_without_weights_a_gate_is_its_bias(bias):
    """q = 0, Q = R (1 - u) / (1 + u) and chi = u^2."""
    u = sigmoid(bias)
    assert minimal_rnn.gate_variance(0.0, 0.0, 0.5, bias) < 1e-12
    np.testing.assert_allclose(
        minimal_rnn.state_power(0.0, 0.5, bias), 0.5 * (1 - u) / (1 + u), rtol=1e-12
    )
    np.testing.assert_allclose(minimal_rnn.chi(0.0, 0.0, 0.5, bias), u**2, rtol=1e-12)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="power: expected a number above 0, got 0"):
        minimal_rnn.chi(1.0, 1.0, 0)
    with pytest.raises(ValueError, match="low, high: expected chi < 1 and chi > 1"):
        minimal_rnn.critical_gain(0.2, 0.46, low=0.1, high=1.0)
    with pytest.raises(ValueError, match="gain: expected a finite variance"):
        minimal_rnn.gate_variance(1e7, 0.0, 0.46)


@pytest.fixture(scope="module")
def sampled():
    """Mean q and mean ||J^T v||^2 of unit vectors v along wide networks of this theory."""
    n, n_skipped, n_steps = 200, 20, 100
    cell = MinimalRNN(n, n, 1, activation=activations.identity)
    none = jnp.zeros(n)

    @jax.jit
    def run(weights, numbers):
        def step(h, at):
            (W, G), (x, v) = at
            params = MinimalRNNParams(POWER**0.5 * jnp.eye(n), none, W, G, none, none, none)
            d = dynamics.drive(cell, params, x)
            point = dynamics.point(cell, params, h, d)
            J = tangents.linearize(cell, params, point)
            back = scaled.plain(J.rmv(v / jnp.linalg.norm(v)))
            measured = jnp.mean(point.preactivation[:n] ** 2), jnp.sum(back**2)
            return dynamics.advance(cell, params, h, d), jnp.stack(measured)

        _, measured = jax.lax.scan(step, none, (weights, numbers))
        return jnp.mean(measured[n_skipped:], axis=0)

    rng = np.random.default_rng(0)
    scale = np.array([GAIN, CANDIDATE_GAIN])[:, None, None] / math.sqrt(n)
    drawn = scale * rng.standard_normal((n_steps, 2, n, n))
    numbers = rng.standard_normal((n_steps, 2, n))
    kept = np.broadcast_to(drawn[:1], drawn.shape)
    return {"anew": run(drawn, numbers), "once": run(kept, numbers)}


def test_a_wide_network_whose_weights_are_drawn_anew_has_this_variance_and_this_chi(sampled):
    q, growth = sampled["anew"]
    theory = minimal_rnn.gate_variance(GAIN, CANDIDATE_GAIN, POWER)
    np.testing.assert_allclose(q, theory, rtol=0.05)
    np.testing.assert_allclose(growth, minimal_rnn.chi(GAIN, CANDIDATE_GAIN, POWER), rtol=0.05)


def test_weights_that_stay_the_same_lower_the_variance(sampled):
    """By 7 %, at 200 units as at 1500: a gate knows the state that it has made."""
    q, _ = sampled["once"]
    ratio = q / minimal_rnn.gate_variance(GAIN, CANDIDATE_GAIN, POWER)
    assert 0.88 < ratio < 0.97


def test_a_gate_that_keeps_all_but_a_rounding_has_a_state_with_all_digits():
    """Where s(-e) is tiny, Q = R s(-e)^2 / (s(-e) (1 + s(e))) = R s(-e) / 2."""
    for bias in (20.0, 35.0, 40.0):
        expected = math.exp(-bias) / 2
        assert minimal_rnn.state_power(1e-9, 1.0, bias) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["gain", "candidate_gain", "bias"])
def test_what_is_not_a_number_has_no_mean_field(name):
    given = {"gain": 1.0, "candidate_gain": 1.0, "bias": 0.0} | {name: math.nan}
    with pytest.raises(ValueError, match=f"^{name}: expected a finite number"):
        minimal_rnn.gate_variance(power=1.0, **given)
