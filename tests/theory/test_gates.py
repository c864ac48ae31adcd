import math

import numpy as np
import pytest

from rnnjax.theory import gates


@pytest.mark.parametrize(
    ("bias", "factor", "half_life"),
    [(0, 0.5, 1), (1, 0.731059, 2.2127), (3, 0.952574, 14.266), (5, 0.993307, 103.218)],
)
def test_what_a_forget_bias_keeps(bias, factor, half_life):
    assert gates.forget_factor(bias) == pytest.approx(factor, abs=6e-7)
    assert gates.half_life(bias) == pytest.approx(half_life, abs=6e-4 if bias > 1 else 6e-5)
    kept = gates.forget_factor(bias) ** gates.half_life(bias)
    assert kept == pytest.approx(0.5, rel=1e-12)
    assert gates.forget_factor(bias) ** gates.decay_time(bias) == pytest.approx(math.exp(-1))


def test_closed_and_open_gates_keep_their_digits():
    assert gates.forget_factor(40) == 1 and gates.forget_factor(-800) == 0
    assert gates.log_forget_factor(-800) == -800
    assert gates.half_life(40) == pytest.approx(math.log(2) * math.exp(40), rel=1e-14)
    assert gates.log_forget_factor([0.0, -800]).tolist() == [-math.log(2), -800]


def test_chrono_initialisation_sets_the_time_constant():
    u = np.array([1.0, 3.0, 30.0, 783.0])
    bias = gates.chrono_bias(u)
    np.testing.assert_allclose(gates.forget_factor(bias), u / (1 + u), rtol=1e-14)
    np.testing.assert_allclose(gates.renewal_time(bias), u + 1, rtol=1e-14)
    # The time of a factor e is half a step less: -1/ln(1 - x) = 1/x - 1/2 - x/12 - ..
    np.testing.assert_allclose(gates.decay_time(bias), u + 0.5, rtol=0, atol=1 / 12 / u.min())
    assert np.all(gates.decay_time(bias) < u + 0.5)
    assert gates.decay_time(bias)[-1] == pytest.approx(783.5 - 1 / (12 * 784), abs=1e-6)


def test_the_renewal_time_is_the_mean_age_of_what_is_in_a_leaky_memory():
    """c' = f c + (1 - f) x: an input of k steps ago weighs (1 - f) f^k; steps count from 1."""
    f, k = float(gates.forget_factor(2.0)), np.arange(2000)
    weights = (1 - f) * f**k
    assert weights @ (k + 1) == pytest.approx(gates.renewal_time(2.0), rel=1e-12)


@pytest.fixture
def gate_inputs():
    return np.random.default_rng(0).normal(scale=2, size=(3, 12, 4))


def test_the_carousel_of_an_lstm_carries_the_product_of_its_forget_factors(gate_inputs):
    """Gates driven by inputs alone; complex step through the memory."""
    forget, write, candidate = gate_inputs

    def last(c):
        for a_f, a_i, g in zip(forget, write, candidate, strict=True):
            c = c / (1 + np.exp(-a_f)) + np.tanh(g) / (1 + np.exp(-a_i))
        return c

    derivative = last(np.full(4, 0.3 + 1e-30j)).imag / 1e-30
    np.testing.assert_allclose(np.exp(gates.lstm_log_carry(forget.T)), derivative, rtol=1e-13)


def test_a_gru_without_recurrence_in_its_gates_carries_what_it_does_not_update(gate_inputs):
    update, candidate, _ = gate_inputs

    def last(h):
        for a_z, n in zip(update, candidate, strict=True):
            z = 1 / (1 + np.exp(-a_z))
            h = (1 - z) * h + z * np.tanh(n)
        return h

    derivative = last(np.full(4, 0.3 + 1e-30j)).imag / 1e-30
    np.testing.assert_allclose(np.exp(gates.gru_log_carry(update.T)), derivative, rtol=1e-12)
    assert gates.gru_log_carry(update.T).shape == (4,)


def test_a_long_carry_does_not_underflow():
    assert gates.lstm_log_carry(np.full(10_000, -1.0)) == pytest.approx(
        -1e4 * (1 + math.log1p(math.exp(-1)))
    )
