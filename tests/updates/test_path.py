"""The path of descent is that of training on the same sequence."""

import jax
import numpy as np
import optax
import pytest

import rnnjax


def test_plain_optimisers_and_those_that_read_the_loss_are_taken_as_in_fit():
    cell, task = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.Adding(length=3)
    start, batch = cell.init(jax.random.key(0)), task.sample(jax.random.key(1))

    def follow(optimiser):
        return rnnjax.updates.path(cell, task.loss, start, batch, optimiser, n_updates=2)

    plain, polyak = jax.jit(lambda: (follow(optax.sgd(0.1)), follow(optax.polyak_sgd(0.1))))()
    slope = rnnjax.BPTT()(cell, task.loss, start, batch).grads
    np.testing.assert_allclose(plain.step.W[0], -0.1 * rnnjax.scaled.plain(slope.W), rtol=1e-12)
    assert float(polyak.loss[1]) < float(polyak.loss[0])
    with pytest.raises(ValueError, match="optimiser: expected an optimiser of optax, got 3"):
        follow(3)


@pytest.mark.wide
def test_each_step_leads_to_the_next_place_and_is_that_of_training():
    cell, task, adam = rnnjax.Vanilla(2, 3, 1), rnnjax.tasks.Adding(length=5), optax.adam(0.05)
    start, batch = cell.init(jax.random.key(0)), task.sample(jax.random.key(1))
    clipped = rnnjax.updates.clip_by_norm(1.0, adam)

    def follow(params):
        return rnnjax.updates.path(cell, task.loss, params, batch, clipped, n_updates=4)

    found = jax.jit(follow)(start)
    whole = jax.tree.map(lambda a: a[None], batch)
    options = {"n_updates": 4, "batch": whole, "params": start}
    trained = rnnjax.fit(cell, task, rnnjax.BPTT(), clipped, jax.random.key(2), **options)
    np.testing.assert_allclose(found.loss, trained.loss, rtol=1e-12)
    leaves = zip(found.params, found.step, trained.params, start, strict=True)
    for before, step, end, first in leaves:
        np.testing.assert_array_equal(before[0], first)
        np.testing.assert_allclose(before[:-1] + step[:-1], before[1:], rtol=1e-12)
        np.testing.assert_allclose(before[-1] + step[-1], end, rtol=1e-9, atol=1e-15)
