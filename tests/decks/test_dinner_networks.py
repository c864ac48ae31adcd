"""Networks whose answers are known, on nights away and on the calendar."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import rnnjax
from rnnjax import decks
from rnnjax.decks import dinner_networks


def test_a_ring_that_latches_is_right_every_night_and_one_that_always_says_pizza_is_not():
    _, params = decks.by_hand.dinner_ring(rnnjax.activations.tanh, 2.0)
    probabilities, wrong = jax.jit(lambda p: dinner_networks.away(p, 20))(params)
    assert np.isinf(wrong)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-9)
    assert probabilities[0, :, :].argmax(-1).tolist() == [(1 + n) % 3 for n in range(20)]
    stuck = params._replace(V=0 * params.V, c=jnp.array([1.0, 0.0, 0.0]))
    assert float(dinner_networks.away(stuck, 5)[1]) == 1


def test_who_always_says_the_same_is_right_in_a_third_of_the_nights():
    start = jax.tree.map(jnp.zeros_like, dinner_networks.cells()[1].init(jax.random.key(0)))
    still = optax.sgd(0.0)
    found = jax.jit(lambda p: dinner_networks.on_calendar(p, 0.0, still, 1))(start)
    np.testing.assert_allclose(found, [1 / 3, np.log(3)], rtol=1e-9)


def test_training_lowers_the_loss_of_missed_nights():
    cell, task = dinner_networks.cells()[0], decks.Dinner(length=6)
    batch, start = task.every_sequence(), cell.init(jax.random.key(0))

    def losses(start):
        params = dinner_networks.trained_on_dinners(start, optax.adam(0.05), 40)
        return [decks.full_batch.mean_loss(cell, task, p, batch) for p in (start, params)]

    before, after = jax.jit(losses)(start)
    assert after < 0.8 * before
