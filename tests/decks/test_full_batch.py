"""Training on all sequences at once, against a loop of updates by hand."""

import jax
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.decks import full_batch

TASK = decks.Dinner(length=3)
CELL = rnnjax.Vanilla(3, 2, 3)


def test_the_mean_loss_is_that_of_the_outputs():
    params, batch = CELL.init(jax.random.key(0)), TASK.every_sequence()
    y = full_batch.outputs(CELL, params, batch.x)
    losses = batch.mask * jax.vmap(jax.vmap(TASK.loss))(y, batch.y)
    found = full_batch.mean_loss(CELL, TASK, params, batch)
    np.testing.assert_allclose(found, losses.sum(axis=1).mean(), rtol=1e-12)


@pytest.mark.wide
def test_updates_are_those_of_the_optimiser_and_what_is_limited_stays_limited():
    start, batch, adam = CELL.init(jax.random.key(1)), TASK.every_sequence(), optax.adam(0.1)

    def forgetful(params):
        return params._replace(W=0 * params.W)

    @jax.grad
    def gradient(params):
        return full_batch.mean_loss(CELL, TASK, forgetful(params), batch)

    params, state = start, adam.init(start)
    for _ in range(2):
        updates, state = adam.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
    found = full_batch.trained(CELL, TASK, start, batch, adam, 2, forgetful)
    assert not found.W.any()
    for leaf, expected in zip(found, forgetful(params), strict=True):
        np.testing.assert_allclose(leaf, expected, rtol=1e-9)
