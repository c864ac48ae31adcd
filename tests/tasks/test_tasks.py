import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import tasks
from tests.discovery import tasks_found

N = 4000


@functools.cache
def program(task, n):
    return jax.jit(lambda key: jax.vmap(task.sample)(jax.random.split(key, n)))


def samples(task, n=N):
    return jax.tree.map(np.asarray, program(task, n)(jax.random.key(0)))


@pytest.mark.parametrize("name", tasks_found())
def test_a_task_keeps_the_contract(name):
    task = tasks_found()[name]()
    batch = samples(task, 2)
    assert batch.x.shape == (2, task.length, task.n_x)
    assert batch.y.shape == (2, task.length, task.n_y)
    assert batch.mask.shape == (2, task.length)
    assert not np.array_equal(batch.x[0], batch.x[1])
    assert np.all(batch.mask >= 0) and np.all(np.sum(batch.mask, axis=1) > 0)
    again = samples(task, 2)
    np.testing.assert_array_equal(batch.x, again.x)
    assert task.loss(batch.y[0, 0], batch.y[0, 0]).shape == ()
    assert hash(task) == hash(tasks_found()[name]()) and task == tasks_found()[name]()


def test_white_noise_is_white():
    batch = samples(tasks.WhiteNoise(length=50, n_x=3, scale=2.0), 400)
    np.testing.assert_allclose(np.mean(batch.x), 0, atol=0.03)
    np.testing.assert_allclose(np.var(batch.x), 4, rtol=0.03)
    np.testing.assert_allclose(np.mean(batch.x[:, 1:] * batch.x[:, :-1]), 0, atol=0.05)


def test_the_adding_problem_marks_one_step_in_each_half():
    batch = samples(tasks.Adding(length=11))
    values, marks = batch.x[..., 0], batch.x[..., 1]
    np.testing.assert_array_equal(np.sum(marks[:, :5], axis=1), 1)
    np.testing.assert_array_equal(np.sum(marks[:, 5:], axis=1), 1)
    assert np.all(np.sum(marks, axis=0) > N / 11)
    np.testing.assert_allclose(batch.y[:, -1, 0], np.sum(values * marks, axis=1))


def test_the_best_constant_answer_to_the_adding_problem_costs_a_sixth():
    task = tasks.Adding(length=20)
    y = samples(task).y[:, -1]
    loss = jax.jit(jax.vmap(task.loss))(jnp.ones_like(y), y)
    np.testing.assert_allclose(np.mean(loss), 1 / 6, rtol=0.05)


@pytest.mark.parametrize("length", [19, 50, 59])
def test_temporal_order_puts_its_symbols_where_the_paper_does(length):
    batch = samples(tasks.TemporalOrder(length=length))
    symbols = np.argmax(batch.x, axis=-1)
    message = symbols < 2
    np.testing.assert_array_equal(np.sum(message, axis=1), 2)
    places = np.array([np.flatnonzero(row) for row in message])
    for column, start in zip(places.T, (1, 5), strict=True):
        inside = [t for t in range(length) if start * length <= 10 * t < (start + 1) * length]
        assert set(column) == set(inside)
    first, second = np.take_along_axis(symbols, places, axis=1).T
    np.testing.assert_array_equal(np.argmax(batch.y[:, -1], axis=-1), 2 * first + second)
    assert set(symbols[~message]) == {2, 3, 4, 5}


def test_temporal_order_of_many_lengths_has_all_of_them():
    """Each sequence places its symbols by its own length; behind its end are distractors."""
    batch = samples(tasks.TemporalOrder(length=24, shortest=19))
    lengths = 1 + np.argmax(batch.mask, axis=1)
    assert set(lengths) == set(range(19, 25)) and np.all(batch.mask.sum(axis=1) == 1)
    symbols = np.argmax(batch.x, axis=-1)
    places = np.array([np.flatnonzero(row < 2) for row in symbols])
    for column, start in zip(places.T, (1, 5), strict=True):
        assert np.all((start * lengths <= 10 * column) & (10 * column < (start + 1) * lengths))
    first, second = np.take_along_axis(symbols, places, axis=1).T
    np.testing.assert_array_equal(np.argmax(batch.y[:, 0], axis=-1), 2 * first + second)
    with pytest.raises(ValueError, match="shortest: expected 10 to 24 steps, got 25"):
        tasks.TemporalOrder(length=24, shortest=25)


def test_the_loss_of_an_uninformed_answer_is_ln_4():
    task = tasks.TemporalOrder()
    np.testing.assert_allclose(task.loss(jnp.zeros(4), jnp.eye(4)[2]), np.log(4), rtol=1e-12)


@pytest.mark.wide
def test_digits_are_the_images_of_scikit_learn_in_both_readings():
    from sklearn.datasets import load_digits

    digits = load_digits()
    by_pixel, by_row = tasks.Digits(), tasks.Digits(by_rows=True)
    assert by_pixel.n_images == 1797
    assert (by_pixel.length, by_pixel.n_x, by_row.length, by_row.n_x) == (64, 1, 8, 8)
    for index in (0, 1, 900, 1796):
        np.testing.assert_allclose(by_pixel.image(index).x[:, 0] * 16, digits.data[index])
        np.testing.assert_allclose(by_row.image(index).x * 16, digits.images[index])
        assert np.argmax(by_row.image(index).y[-1]) == digits.target[index]


@pytest.mark.wide
def test_digits_without_scikit_learn_name_the_extra():
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import rnnjax\n"
        "try: rnnjax.tasks.Digits().image(0)\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert out.count("\n") == 1 and "extra 'data'" in out


@pytest.mark.parametrize("task", [tasks.Adding, tasks.TemporalOrder])
def test_a_length_that_cannot_be_is_refused(task):
    with pytest.raises(ValueError, match="length: expected a whole number of at least"):
        task(length=1)


@pytest.mark.wide
def test_a_batch_runs_through_a_cell():
    task = tasks.Digits(by_rows=True)
    cell = rnnjax.LSTM(task.n_x, 4, task.n_y)
    out = rnnjax.outputs(cell, cell.init(jax.random.key(0)), task.image(3).x)
    assert out.shape == (8, 10)


@pytest.mark.parametrize("index", [-1, 1.5, np.nan])
def test_an_image_has_a_whole_number_from_0(index):
    with pytest.raises(ValueError, match=r"^index: expected a whole number of at least 0"):
        tasks.Digits().image(index)
