"""Parity, modular counting and delayed recall, against what their definitions say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import tasks
from rnnjax.tasks.delayed_recall import DelayedRecall
from rnnjax.tasks.modular_counting import ModularCounting
from rnnjax.tasks.parity import Parity

N = 4000


def samples(task, n=N):
    draw = jax.jit(lambda key: jax.vmap(task.sample)(jax.random.split(key, n)))
    return jax.tree.map(np.asarray, draw(jax.random.key(0)))


def assert_equally_often(values, n_kinds):
    """Every count lies within five standard deviations of a binomial distribution."""
    counts = np.bincount(values, minlength=n_kinds)
    n, p = len(values), 1 / n_kinds
    assert len(counts) == n_kinds
    assert np.all(np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))), counts


def turned(digits, modulus):
    """The counts of digits (..., T), by a state that is turned by 2 pi / m as often as they say."""
    angles = np.angle(np.cumprod(np.exp(2j * np.pi * digits / modulus), axis=-1))
    return np.rint(angles * modulus / (2 * np.pi)).astype(int) % modulus


@pytest.mark.parametrize("modulus", [2, 3, 7])
def test_modular_counting_is_a_rotation(modulus):
    batch = samples(ModularCounting(modulus, length=30, every_step=True), 200)
    digits = batch.x.argmax(axis=-1)
    assert batch.x.shape == batch.y.shape == (200, 30, modulus)
    np.testing.assert_array_equal(batch.x.sum(axis=-1), 1)
    np.testing.assert_array_equal(batch.y.sum(axis=-1), 1)
    np.testing.assert_array_equal(batch.y.argmax(axis=-1), turned(digits, modulus))


def test_parity_is_a_change_of_sign_at_each_one():
    batch = samples(Parity(length=30, every_step=True, signs=True), 200)
    assert batch.x.shape == (200, 30, 1) and set(np.unique(batch.x)) == {-1.0, 1.0}
    sign = np.cumprod(np.where(batch.x[..., 0] > 0, -1, 1), axis=1)
    np.testing.assert_array_equal(batch.y[..., 1], sign < 0)
    np.testing.assert_array_equal(batch.y.sum(axis=-1), 1)


def test_parity_shows_the_same_bits_as_signs_and_one_hot():
    hot, signs = (samples(Parity(9, shortest=3, signs=signs), 50) for signs in (False, True))
    assert hot.x.shape == (50, 9, 2)
    np.testing.assert_array_equal(hot.x, (np.array([-1, 1]) * signs.x + 1) / 2)
    np.testing.assert_array_equal(hot.y, signs.y)
    np.testing.assert_array_equal(hot.mask, signs.mask)


@pytest.mark.parametrize("task", [Parity(8, shortest=3), ModularCounting(3, 8, shortest=3)])
def test_sequences_have_every_length_from_the_shortest_to_the_longest_equally_often(task):
    for every_step in (False, True):
        mask = samples(task.replace(every_step=every_step)).mask
        lengths = 8 - np.argmax(mask[:, ::-1], axis=1)
        assert_equally_often(lengths - 3, 6)
        t = np.arange(1, 9)
        due = t <= lengths[:, None] if every_step else t == lengths[:, None]
        np.testing.assert_array_equal(mask, due)


@pytest.mark.parametrize("task", [Parity, ModularCounting])
def test_without_a_shortest_one_all_sequences_are_whole(task):
    last, every = (samples(task(length=5, every_step=e), 4) for e in (False, True))
    np.testing.assert_array_equal(last.mask, np.tile([0, 0, 0, 0, 1], (4, 1)))
    np.testing.assert_array_equal(every.mask, 1)


@pytest.mark.parametrize(("task", "m"), [(Parity(9, shortest=3), 2), (ModularCounting(5, 9), 5)])
def test_no_digit_alone_tells_the_answer(task, m):
    """Each pair of a digit and the answer is as frequent as any other, and so each answer is."""
    batch = samples(task)
    ends = np.argmax(batch.mask, axis=1)
    answers = batch.y[np.arange(N), ends].argmax(axis=-1)
    assert_equally_often(answers, m)
    for digit in (batch.x[:, 0], batch.x[np.arange(N), ends]):
        assert_equally_often(m * digit.argmax(axis=-1) + answers, m * m)


def test_what_follows_behind_the_end_has_no_effect():
    task = Parity(length=12)
    cell = rnnjax.Vanilla(2, 3, 2)
    params = cell.init(jax.random.key(1))
    run = jax.jit(lambda batch: rnnjax.sequence_loss(cell, task.loss, params, batch))
    batch = jax.jit(task.sequence)(jnp.arange(12) % 2, 5)
    past = jnp.arange(12)[:, None] >= 5
    spoilt = batch.replace(x=jnp.where(past, jnp.nan, batch.x), y=jnp.where(past, 7.0, batch.y))
    cut = jax.tree.map(lambda a: a[:5], batch)
    assert run(spoilt) == run(batch)
    np.testing.assert_allclose(run(batch), run(cut), rtol=1e-14)


def test_delayed_recall_shows_a_symbol_and_then_noise():
    batch = samples(DelayedRecall(n_symbols=3, length=6, noise=0.5))
    assert batch.x.shape == batch.y.shape == (N, 6, 3)
    np.testing.assert_array_equal(batch.y, np.repeat(batch.x[:, :1], 6, axis=1))
    np.testing.assert_array_equal(batch.mask, np.tile([0] * 5 + [1], (N, 1)))
    symbols = batch.x[:, 0].argmax(axis=-1)
    np.testing.assert_array_equal(batch.x[:, 0], np.eye(3)[symbols])
    assert_equally_often(symbols, 3)
    noise, n = batch.x[:, 1:], N * 15
    assert abs(noise.mean()) < 5 * 0.5 / np.sqrt(n)
    assert abs(noise.var() - 0.25) < 5 * 0.25 * np.sqrt(2 / n)
    assert abs(np.mean(noise**4) / 0.5**4 - 3) < 5 * np.sqrt(96 / n)  # of a normal distribution


def test_the_noise_of_delayed_recall_says_nothing_about_the_symbol():
    batch = samples(DelayedRecall(n_symbols=3, length=6, noise=1.0))
    shown = batch.x[:, 0] - 1 / 3
    covariances = np.einsum("ns,nti->sti", shown, batch.x[:, 1:]) / N
    assert np.abs(covariances).max() < 5 * np.sqrt(2 / 9 / N)


def test_delayed_recall_takes_traced_noise():
    task, key = DelayedRecall(length=4), jax.random.key(2)
    swept = jax.jit(jax.vmap(lambda noise: task.replace(noise=noise).sample(key).x))
    x = swept(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_array_equal(x[0, 1:], 0)
    np.testing.assert_array_equal(x[1, 1:], 0.5 * x[2, 1:])
    np.testing.assert_array_equal(x[0, 0], x[2, 0])


@pytest.mark.parametrize(
    ("task", "n"), [(Parity(), 2), (ModularCounting(5), 5), (DelayedRecall(n_symbols=6), 6)]
)
def test_an_uninformed_answer_costs_the_chance_level(task, n):
    np.testing.assert_allclose(task.chance, np.log(n), rtol=1e-15)
    np.testing.assert_allclose(task.loss(jnp.zeros(n), jnp.eye(n)[1]), task.chance, rtol=1e-15)


@pytest.mark.parametrize(
    ("task", "fields", "message"),
    [
        (Parity, {"length": 0}, "length: expected a whole number of at least 1, got 0"),
        (Parity, {"length": 8, "shortest": 9}, "shortest: expected 1 to 8 steps, got 9"),
        (ModularCounting, {"modulus": 1}, "modulus: expected a whole number of at least 2, got 1"),
        (ModularCounting, {"shortest": 41}, "shortest: expected 1 to 40 steps, got 41"),
        (DelayedRecall, {"length": 1}, "length: expected a whole number of at least 2, got 1"),
        (DelayedRecall, {"noise": -0.1}, "noise: expected a number of at least 0, got -0.1"),
    ],
)
def test_a_task_that_cannot_be_is_refused(task, fields, message):
    with pytest.raises(ValueError, match=message):
        task(**fields)


def test_the_tasks_are_made_by_their_names():
    assert tasks.named("ModularCounting(modulus=5)", length=9) == ModularCounting(5, 9)
    assert tasks.named("Parity(signs=True)").n_x == 1
    assert tasks.named("DelayedRecall(n_symbols=3)").n_y == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool])
def test_digits_of_a_narrow_dtype_are_counted_right(dtype):
    digits = np.ones(300, dtype)
    batch = ModularCounting(3, 300, every_step=True).sequence(digits, 300)
    np.testing.assert_array_equal(np.argmax(batch.y, axis=1), np.arange(1, 301) % 3)


@pytest.mark.parametrize(
    ("digits", "length", "name"),
    [
        (np.full(4, 3), 4, "digits"),
        (np.ones(5, int), 4, "digits"),
        ([0.0, 1.7, 2.0, 1.0], 4, "digits"),
        ([0.0, np.nan, 2.0, 1.0], 4, "digits"),
        (np.ones(4, int), 5, "length"),
        (np.ones(4, int), 2.5, "length"),
        (np.ones(4, int), np.array([1, 2]), "length"),
    ],
)
def test_digits_and_lengths_that_do_not_fit_are_refused(digits, length, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        ModularCounting(3, 4).sequence(digits, length)
