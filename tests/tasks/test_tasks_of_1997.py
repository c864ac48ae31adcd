"""The tasks of 1997: where their symbols, marks and values stand."""

import jax
import numpy as np
import pytest

from rnnjax import tasks

N = 3000


@pytest.fixture(scope="module")
def sequences():
    """Many sequences of both tasks at T = 100, from one program."""
    both = {"temporal_order": tasks.TemporalOrder1997(), "adding": tasks.Adding1997()}

    @jax.jit
    def drawn(key):
        keys = jax.random.split(key, N)
        return {name: jax.vmap(task.sample)(keys) for name, task in both.items()}

    return jax.tree.map(np.asarray, drawn(jax.random.key(0)))


def lengths(batch):
    np.testing.assert_array_equal(batch.mask.sum(axis=1), 1)
    found = 1 + np.argmax(batch.mask, axis=1)
    assert set(found) == set(range(100, 111))
    return found


@pytest.mark.wide
def test_temporal_order_is_that_of_1997(sequences):
    batch = sequences["temporal_order"]
    symbols, last = np.argmax(batch.x, axis=2), lengths(batch) - 1
    assert batch.x.shape == (N, 110, 8) and set(np.unique(batch.x.sum(axis=2))) == {1.0}
    np.testing.assert_array_equal(symbols[:, 0], 6)
    np.testing.assert_array_equal(symbols[np.arange(N), last], 7)
    told = [np.flatnonzero(row < 2) for row in symbols]
    places = np.array(told)
    assert set(places[:, 0]) == set(range(10, 21)) and set(places[:, 1]) == set(range(50, 61))
    first, second = np.take_along_axis(symbols, places, axis=1).T
    np.testing.assert_array_equal(np.argmax(batch.y[:, 0], axis=1), 2 * first + second)
    assert np.ptp(np.bincount(2 * first + second)) < 200


def test_adding_is_that_of_1997(sequences):
    batch = sequences["adding"]
    last, (values, marks) = lengths(batch) - 1, np.moveaxis(batch.x, 2, 0)
    np.testing.assert_array_equal(marks[:, 0], -1)
    np.testing.assert_array_equal(marks[np.arange(N), last], -1)
    at_start = (marks == 1).sum(axis=1) == 1  # the start is one of the two
    assert set((marks == 1).sum(axis=1)) == {1, 2} and 0.08 < at_start.mean() < 0.16
    np.testing.assert_array_equal(values[at_start, 0], 0)
    assert np.all(values[~at_start, 0] != 0)
    expected = 0.5 + np.sum(values * (marks == 1), axis=1) / 4
    np.testing.assert_allclose(batch.y[:, 0, 0], expected, atol=1e-12)
    both = np.array([np.flatnonzero(row == 1) for row in marks[~at_start]])
    assert set(both[:, 0]) == set(range(1, 10)) and set(both[:, 1]) <= set(range(2, 49))
    assert both.max() == 48 and np.max(np.nonzero(marks == 1)[1]) == 48
    assert np.min(values) < -0.99 and np.max(values) > 0.99
    np.testing.assert_allclose(np.var(batch.y[:, 0, 0]), 1 / 24, rtol=0.1)


def test_the_shortest_adding_marks_each_step_of_its_first_half():
    """At T = 20 the first mark may lie behind the T/2 - 1 = 9 steps from which the second comes."""
    keys = jax.random.split(jax.random.key(0), N)
    marks = np.asarray(jax.jit(jax.vmap(tasks.Adding1997(20).sample))(keys).x[..., 1])
    behind = marks[marks[:, 9] == 1]
    by_step = (behind[:, 1:9] == 1).sum(axis=0)
    at_start = np.all(behind[:, 1:9] == 0, axis=1).sum()
    counts = np.append(by_step, at_start)  # the second mark is equally likely at 9 steps
    assert len(behind) > 250 and counts.min() > 0.5 * counts.mean()
