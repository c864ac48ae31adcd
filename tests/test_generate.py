"""Writing symbol by symbol, with cells whose odds are known."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


THREE, _ = markov(np.full((3, 3), 1 / 3))
DRAWN = THREE.init(jax.random.key(0))
TWO = rnnjax.Vanilla(2, 4, 3)
BOTH = rnnjax.Bidirectional((rnnjax.Vanilla(3, 4),), (rnnjax.Vanilla(3, 4),), 3)
HALF = jnp.full(5, 0.5)


@pytest.mark.parametrize(
    ("cell", "params", "given", "message"),
    [
        (THREE, DRAWN, (-1, HALF), "first: expected a whole number of at least 0, got -1"),
        (THREE, DRAWN, (3, HALF), "first: expected a whole number from 0 to 2, got 3"),
        (THREE, DRAWN, (1.7, HALF), "first: expected a whole number of at least 0, got 1.7"),
        (THREE, DRAWN, (jnp.array([0, 1]), HALF), "first: expected one number, got int"),
        (THREE, DRAWN, (0, HALF, 0.9), "rarest: expected at most 1/n_y = 1/3, got 0.9"),
        (THREE, DRAWN, (0, HALF, jnp.full(3, 0.1)), "rarest: expected one number, got float"),
        (THREE, DRAWN, (0, HALF + 1), "chances: expected a number of at least 0 and below 1"),
        (THREE, DRAWN, (0, HALF[:, None]), "chances: expected an array (T,), got float"),
        (THREE, DRAWN, (0, 0.5), "chances: expected an array (T,), got 0.5"),
        (TWO, TWO.init(jax.random.key(0)), (0, HALF), "cell: expected one symbol a step, n_x"),
        (THREE, TWO.init(jax.random.key(0)), (0, HALF), "params: expected W (3, 3) as Vanilla"),
        (BOTH, BOTH.init(jax.random.key(0)), (0, HALF),
         "cell: expected one with a method step, got Bidirectional, whose outputs depend on later"),
        (3, DRAWN, (0, HALF), "cell: expected one with a method step, got int"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_in_one_line(cell, params, given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as told:
        generate(cell, params, *given)
    assert "\n" not in str(told.value)


class OfTheUser:
    """A cell that does not tell how many inputs it takes."""

    def initial_state(self):
        return jnp.zeros(3)

    def step(self, params, h, x):
        return jnp.tanh(params["W"] @ h + x)

    def readout(self, params, h):
        return params["V"] @ h


def test_a_cell_without_a_number_of_inputs_takes_as_many_as_it_has_outputs():
    cell, eye = OfTheUser(), jnp.eye(3)
    assert generate(cell, {"W": 0 * eye, "V": 50 * eye}, 2, HALF).tolist() == [2] * 5
    with pytest.raises(ValueError, match=r"^readout: expected it to take"):
        generate(cell, {"W": eye}, 2, HALF)
    with pytest.raises(ValueError, match=r"^readout: expected outputs of shape \(n_y,\), got"):
        generate(cell, {"W": eye, "V": jnp.ones(3)}, 2, HALF)


@pytest.mark.parametrize("rarest", [1 / 3, np.float32(1 / 3), jnp.float32(1 / 3)])
def test_of_equal_odds_a_rounded_bound_leaves_some(rarest):
    _, params = markov(np.full((3, 3), 1 / 3))
    chances = jnp.linspace(0, 0.99, 5)
    at_rest = generate(THREE, params._replace(V=0 * params.V), 0, chances, rarest)
    assert at_rest[0] < 2 and at_rest[-1] == 2


def test_a_chance_that_is_rounded_to_1_chooses_a_symbol_that_is_possible():
    cell, params = markov(np.tile([0.05, 0.6, 0.3, 0.05], (4, 1)))
    with jax.enable_x64(False):
        params = jax.tree.map(lambda a: a.astype(np.float32), params)
        text = generate(cell, params, 0, np.array([0.99999999, 0.0]), 0.1)
    np.testing.assert_array_equal(text, [2, 1])


def test_logits_that_are_no_numbers_choose_no_symbol():
    blind = DRAWN._replace(V=jnp.full((3, 3), jnp.nan))
    np.testing.assert_array_equal(generate(THREE, blind, 0, HALF), np.full(5, -1))
