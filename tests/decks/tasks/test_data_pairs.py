"""Pairs with three kinds of inputs, and a pulse to remember."""

import jax
import numpy as np

from rnnjax import decks
from rnnjax.decks.tasks import data_pairs, pulse_memory


def test_the_data_pairs_keep_their_three_kinds_of_values():
    task = decks.DataPairs(length=7)
    pairs = jax.jit(task.pairs)()
    amount, schedule = pairs.x[..., 0], pairs.x[..., 1]
    np.testing.assert_array_equal(amount, np.broadcast_to(amount[:, :1], amount.shape))
    assert np.mean(np.ptp(schedule, axis=1) > 0) == 2 / 3  # a third of the schedules is flat
    q, r = np.moveaxis(np.asarray(pairs.y), -1, 0)
    r_before = np.column_stack([np.full(81, 0.1), r[:, :-1]])
    np.testing.assert_allclose(q, 0.1 + 0.8 * schedule * r_before / 0.9, rtol=1e-12)
    np.testing.assert_allclose(
        r - r_before, (0.1 + 0.4 * amount) * schedule * (0.9 - r_before), rtol=1e-9
    )
    assert pairs.y.min() >= 0.1 and pairs.y.max() <= 0.9


def test_a_balanced_third_of_the_data_pairs_is_used_and_the_rest_held_out():
    levels = np.array([(a, s, f) for a in range(9) for s in range(3) for f in range(3)])
    used = data_pairs.used()
    assert used.sum() == 27 and len(used) == 81
    for column in levels.T:
        assert len(set(np.bincount(column[used]))) == 1
    task = decks.DataPairs()
    training, held_out = jax.jit(lambda: (task.training(), task.held_out()))()
    assert training.x.shape == (27, 5, 2) and held_out.x.shape == (54, 5, 2)
    together = np.concatenate([training.x, held_out.x]).reshape(81, -1)
    assert len(np.unique(together, axis=0)) == 81


def test_a_pulse_is_to_be_remembered_by_what_is_not_asked():
    task = decks.PulseMemory(length=4)
    pairs = jax.jit(task.pairs)()
    np.testing.assert_array_equal(pairs.x[:, :, 0], 1)
    np.testing.assert_array_equal(pairs.x[:, :, 1], [[0, 0, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(pairs.y[:, :, 0], [[0.1] * 4, [0.9] * 4])
    guess = jax.jit(jax.vmap(task.loss, (None, 0)))(np.array([0.5, 7.0]), pairs.y[:, -1])
    np.testing.assert_allclose(np.mean(guess), pulse_memory.CHANCE)
