"""Networks built by hand: nights away from home, and forget gates."""

import jax
import numpy as np
from jax import numpy as jnp

import rnnjax
from rnnjax.decks import by_hand, ring


def test_nights_away_are_those_of_a_loop():
    run = jax.jit(lambda gain: by_hand.away(rnnjax.activations.tanh, gain, 0.0, 6))
    o, log_margin, forgotten = run(1.1)
    P = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    for first in range(3):
        eaten, state = np.eye(3)[first], np.zeros(3)
        for night in range(6):
            state = np.tanh(1.1 * P @ (eaten + state))
            eaten = np.zeros(3)
            np.testing.assert_allclose(o[first, night], state, atol=1e-12)
    np.testing.assert_allclose(np.exp(log_margin), np.max(o[0], axis=1), rtol=1e-9)
    assert np.isinf(forgotten)


def test_a_logistic_ring_forgets():
    run = jax.jit(lambda gain: by_hand.away(rnnjax.activations.sigmoid, gain, 0.0, 60))
    o, _, forgotten = run(1.0)
    assert 10 < float(forgotten) < 60
    np.testing.assert_allclose(o[:, -1], o[0, -1, 0], atol=1e-9)


def test_every_way_to_squash_is_followed_at_every_gain():
    gains = jnp.array([0.9, 1.1])
    o, log_margin, forgotten = jax.jit(lambda k: by_hand.away_by_gain(k, 6))(gains)
    assert o.shape == (2, 3, 6, 3) and forgotten.shape == (len(ring.SQUASHINGS), 2)
    places = list(ring.SQUASHINGS)
    one = by_hand.away(rnnjax.activations.tanh, 1.1, 0.0, 6)
    np.testing.assert_allclose(o[1], one[0], atol=1e-12)
    np.testing.assert_allclose(log_margin[places.index("tanh(kz)"), 1], one[1], rtol=1e-9)
    one = by_hand.away(rnnjax.activations.sigmoid, 6 * 1.1, -3 * 1.1, 6)
    np.testing.assert_allclose(log_margin[places.index("logistic(6k(z - 1/2))"), 1], one[1])


def test_the_first_night_that_is_wrong():
    wrong = jnp.array([[False, True, True], [False, False, False], [True, False, False]])
    np.testing.assert_array_equal(by_hand.first_night(wrong), [2, np.inf, 1])


def test_gates_that_are_open_half_open_and_shut():
    np.testing.assert_allclose(by_hand.forgotten(0.8), [0.8, 0.4, 0.0], atol=1e-12)
