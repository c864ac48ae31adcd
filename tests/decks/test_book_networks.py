"""Reading and writing the children's book: networks whose answers are known."""

import jax
import numpy as np
import optax
import pytest
from jax import numpy as jnp

import rnnjax
from rnnjax.decks import book_networks, sentences

N = len(sentences.WORDS)


def indifferent():
    """A network that finds every next word equally likely."""
    cell = rnnjax.Vanilla(N, 2, N)
    return cell, jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0)))


def test_who_knows_nothing_has_the_loss_of_chance():
    cell, params = indifferent()
    chances = jnp.array([0.1, 0.5, 0.9])
    found = jax.jit(lambda p: book_networks.read_and_written(cell, p, chances, 0.0, 2))(params)
    np.testing.assert_allclose(found["book_loss"], np.log(N), rtol=1e-12)
    np.testing.assert_allclose(found["sees_itself"], 1 / N, rtol=1e-12)
    np.testing.assert_array_equal(found["text"], np.floor(N * chances))


@pytest.mark.wide
def test_gates_along_a_text_are_those_of_the_steps():
    cell = rnnjax.LSTM(N, 3, N)
    params, text = cell.init(jax.random.key(1)), jnp.array([0, 3, 2])
    names = ("forget", "output")
    found = jax.jit(lambda p: book_networks.gates_along(cell, p, text, names))(params)
    assert found.shape == (3, 2, 3)
    h = cell.initial_state()
    for n, word in enumerate(text):
        x = jax.nn.one_hot(word, N)
        gates = cell.gates(params, h, x)
        for place, name in enumerate(names):
            np.testing.assert_allclose(found[n, place], gates[name], rtol=1e-12)
        h = cell.step(params, h, x)


def test_a_network_without_memory_learns_single_words():
    cell, *gated = book_networks.cells(4)
    assert [(type(c), c.n_x, c.n_y) for c in gated] == [(rnnjax.GRU, N, N), (rnnjax.LSTM, N, N)]
    start, adam = cell.init(jax.random.key(0)), optax.adam(0.05)
    params = jax.jit(lambda p: book_networks.trained(cell, p, adam, 200, 0.0))(start)
    assert not params.W.any()
    loss = book_networks.read_and_written(cell, params, jnp.zeros(1), 0.0)["book_loss"]
    assert sentences.entropy(1) < float(loss) < sentences.entropy(1) + 0.02
