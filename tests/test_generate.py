"""Writing symbol by symbol, with cells whose odds are known."""

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax.generate import generate

N = 40000


def markov(odds):
    """A cell without memory whose next symbol has the given odds, (symbol, next symbol)."""
    n = len(odds)
    cell = rnnjax.Vanilla(n, n, n, activation=rnnjax.activations.identity)
    eye, zero = jnp.eye(n), jnp.zeros(n)
    V = jnp.log(jnp.maximum(jnp.asarray(odds).T, 1e-30))
    return cell, rnnjax.cells.VanillaParams(0 * eye, eye, zero, V, zero)


def written(odds, rarest=0.0, first=0):
    cell, params = markov(odds)
    run = jax.jit(lambda key: generate(cell, params, first, jax.random.uniform(key, (N,)), rarest))
    return np.asarray(run(jax.random.key(0)))


def test_symbols_follow_each_other_by_their_odds():
    odds = np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.2, 0.3, 0.5]])
    text = written(odds)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (text[:-1], text[1:]), 1)
    np.testing.assert_allclose(pairs / pairs.sum(1, keepdims=True), odds, atol=0.02)


def test_rare_symbols_are_left_out_and_the_rest_keeps_its_odds():
    odds = np.tile([0.05, 0.6, 0.3, 0.05], (4, 1))
    counts = np.bincount(written(odds, rarest=0.1), minlength=4)
    assert counts[0] == counts[3] == 0
    np.testing.assert_allclose(counts[1] / N, 2 / 3, atol=0.02)
    assert np.all(np.bincount(written(odds), minlength=4) > 0.04 * N)


def test_the_extreme_chances_choose_symbols_that_are_possible():
    cell, params = markov(np.tile([0.0, 0.5, 0.5, 0.0], (4, 1)))
    chances = jnp.array([0.0, np.nextafter(0.5, 0), 0.5, np.nextafter(1, 0)])
    text = jax.jit(lambda u: generate(cell, params, 0, u, 0.01))(chances)
    np.testing.assert_array_equal(text, [1, 1, 2, 2])


def test_the_first_symbol_is_the_first_input_and_the_state_goes_on():
    """A cell that counts: it writes 1 from the second step on, because its state has grown."""
    cell = rnnjax.Vanilla(2, 1, 2, activation=rnnjax.activations.identity)
    one = jnp.ones((1, 1))
    V, c = jnp.array([[0.0], [100.0]]), jnp.array([0.0, -150.0])
    params = rnnjax.cells.VanillaParams(one, jnp.array([[1.0, 1.0]]), jnp.zeros(1), V, c)
    text = generate(cell, params, 0, jnp.full(4, 0.5))
    np.testing.assert_array_equal(text, [0, 1, 1, 1])
