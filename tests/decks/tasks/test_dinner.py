import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import decks
from rnnjax.decks import sentences
from rnnjax.decks.tasks.dinner import CYCLE, DINNERS
from rnnjax.decks.tasks.dinner_calendar import WEEKDAYS


def test_the_cycle_is_a_permutation_and_its_third_power_the_identity():
    np.testing.assert_array_equal(CYCLE, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(np.linalg.matrix_power(CYCLE, 3), np.eye(3))


def follows(n_nights):
    """Which dinner comes so many nights after each, by the matrix."""
    power = np.linalg.matrix_power(CYCLE, n_nights)
    return {name: DINNERS[np.argmax(power[:, j])] for j, name in enumerate(DINNERS)}


def test_the_tables_of_last_night_and_of_two_nights_ago():
    assert follows(1) == {"pizza": "sushi", "sushi": "waffles", "waffles": "pizza"}
    assert follows(2) == {"pizza": "waffles", "sushi": "pizza", "waffles": "sushi"}


@pytest.mark.parametrize(
    ("n_missed", "dinner"),
    [(0, "sushi"), (1, "waffles"), (2, "pizza"), (13, "waffles"), (14, "pizza"), (15, "sushi")],
)
def test_the_dinner_after_missed_nights(n_missed, dinner):
    """Night 0 was pizza; the nights after it are missed, and the dinner of the next is asked."""
    assert follows(n_missed + 1)["pizza"] == dinner
    batch = decks.Dinner(length=n_missed + 1).away(DINNERS.index("pizza"))
    assert DINNERS[np.argmax(batch.y[-1])] == dinner
    assert np.sum(batch.x) == 1 and batch.x[0, 0] == 1


def test_sequences_follow_the_cycle_and_the_first_dinner_is_known():
    task = decks.Dinner(length=9, missed=0.4)
    batch = jax.jit(jax.vmap(task.sample))(jax.random.split(jax.random.key(0), 2000))
    x, y = np.asarray(batch.x), np.asarray(batch.y)
    np.testing.assert_array_equal(y[:, 1:], y[:, :-1] @ CYCLE.T)
    known = x.sum(-1)
    np.testing.assert_array_equal(known[:, 0], 1)
    np.testing.assert_array_equal((x @ CYCLE.T)[known == 1], y[known == 1])
    np.testing.assert_allclose(known[:, 1:].mean(), 0.6, atol=0.02)
    np.testing.assert_allclose(x[:, 0].mean(0), 1 / 3, atol=0.05)


def test_every_sequence_is_there_once():
    batch = decks.Dinner(length=4).every_sequence()
    assert batch.x.shape == (24, 4, 3) and batch.mask.shape == (24, 4)
    assert len({np.asarray(sequence).tobytes() for sequence in batch.x}) == 24
    np.testing.assert_array_equal(batch.y[:, 1:], batch.y[:, :-1] @ CYCLE.T)


def test_a_vector_is_a_list_of_values():
    """The weather is any five numbers; a weekday and a dinner are one of seven and one of three."""
    weather = jnp.array([76, 43, 13, 0.25, 0.83])
    eye = jnp.eye(5)
    params = rnnjax.cells.VanillaParams(eye, eye, jnp.zeros(5), eye, jnp.zeros(5))
    cell = rnnjax.Vanilla(5, 5, 5, activation=rnnjax.activations.identity)
    np.testing.assert_array_equal(cell.step(params, jnp.zeros(5), weather), weather)
    tuesday = decks.DinnerCalendar().night(1).x[0, : len(WEEKDAYS)]
    np.testing.assert_array_equal(tuesday, np.eye(7)[WEEKDAYS.index("Tuesday")])
    dinner = decks.Dinner().away(DINNERS.index("pizza")).y[0]
    np.testing.assert_array_equal(dinner, np.eye(3)[DINNERS.index("sushi")])
    assert np.sum(tuesday) == np.sum(dinner) == 1


@pytest.fixture(scope="module")
def calendar():
    """Every night, with last night's dinner shown."""
    return jax.jit(lambda: decks.DinnerCalendar(yesterday=1.0).nights())()


def test_the_calendar_meets_every_dinner_equally_often(calendar):
    x, y = np.asarray(calendar.x[:, 0]), np.asarray(calendar.y[:, 0])
    assert len(x) == 21 * 365 == decks.DinnerCalendar.n_nights
    assert np.all(x[:, :7].sum(1) == 1) and np.all(x[:, 7:19].sum(1) == 1)
    dinners = {}
    for features, dinner in zip(x[:, :20], y, strict=True):
        dinners.setdefault(features.tobytes(), []).append(dinner)
    assert len(dinners) > 7 * 12
    for served in dinners.values():
        np.testing.assert_array_equal(np.sum(served, axis=0), len(served) / 3)


def test_months_have_their_days_and_meetings_are_on_working_days(calendar):
    x = np.asarray(calendar.x[:, 0])
    days = 21 * np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    np.testing.assert_array_equal(x[:, 7:19].sum(0), days)
    late = x[:, 19] == 1
    assert 0.1 < late.mean() < 0.2
    assert not x[late, 5:7].any()


def test_last_nights_dinner_decides_and_can_be_hidden(calendar):
    np.testing.assert_array_equal(calendar.x[:, 0, 20:] @ CYCLE.T, calendar.y[:, 0])
    hidden = jax.jit(lambda: decks.DinnerCalendar().nights(every=7))()
    assert not np.any(hidden.x[:, 0, 20:])
    assert len(hidden.x) == 53 * 21
    np.testing.assert_array_equal(hidden.y[:, 0].sum(0), 53 * 7)


def test_every_text_of_the_book_is_there_once():
    batch = decks.ChildrensBook(n_sentences=3).every_text()
    words = np.array(sentences.WORDS)[np.argmax(batch.y, -1)]
    assert words.shape == (27, 12)
    assert len({" ".join(text) for text in words}) == 27
    for text in words:
        assert sentences.count_kinds(list(text))["in the book"] == 3
    np.testing.assert_array_equal(batch.x[:, 1:], batch.y[:, :-1])
    np.testing.assert_array_equal(batch.x[:, 0], np.tile(np.eye(5)[4], (27, 1)))


def test_drawn_texts_have_all_sentences_equally_often():
    task = decks.ChildrensBook(n_sentences=2)
    batch = jax.jit(jax.vmap(task.sample))(jax.random.split(jax.random.key(0), 3000))
    subject = np.asarray(batch.y[:, ::4, :3])
    np.testing.assert_allclose(subject.mean((0, 1)), 1 / 3, atol=0.03)


def test_the_best_reader_of_one_or_two_words_meets_the_entropy():
    """The odds of the book as logits: the loss over all texts is the entropy, exactly."""
    batch = decks.ChildrensBook(n_sentences=3).every_text()
    odds = np.full((5, 5), 1e-300)
    odds[:3, 3:], odds[3:, :3] = 1 / 2, 1 / 3
    logits = jnp.log(jnp.asarray(odds))[jnp.argmax(batch.x, -1)]
    loss = jax.jit(jax.vmap(jax.vmap(decks.ChildrensBook().loss)))(logits, batch.y)
    np.testing.assert_allclose(np.mean(loss), sentences.entropy(1), rtol=1e-13)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: decks.Dinner(length=0), "length: expected a whole number of at least 1, got 0"),
        (lambda: decks.ChildrensBook(0), "n_sentences: expected a whole number of at least 1"),
    ],
)
def test_a_length_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
