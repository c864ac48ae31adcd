"""The tasks of the online rules, against what their definitions say to the last digit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import tasks
from rnnjax.tasks import delayed_xor, temporal_xor
from rnnjax.theory import add_task

N = 4000
PROBABILITY = {(0, 0): 0.5, (0, 1): 0.25, (1, 0): 1.0, (1, 1): 0.75}  # by (first, second) input


def samples(task, n=N):
    draw = jax.jit(lambda key: jax.vmap(task.sample)(jax.random.split(key, n)))
    return jax.tree.map(np.asarray, draw(jax.random.key(0)))


def pasts(batch, lag_1, lag_2):
    """The inputs at the two lags and the target, at every step that counts."""
    x, y = batch.x[..., 1], batch.y[..., 1]
    start = max(lag_1, lag_2)
    steps = np.arange(start, x.shape[1])
    return x[:, steps - lag_1].astype(int), x[:, steps - lag_2].astype(int), y[:, start:]


@pytest.mark.parametrize("lags", [(3, 8), (8, 3), (1, 2)])
def test_the_add_task_follows_its_law_at_every_step_that_counts(lags):
    batch = samples(tasks.AddTask(*lags, length=20, drawn=False), 50)
    first, second, y = pasts(batch, *lags)
    expected = np.vectorize(lambda *past: PROBABILITY[past])(first, second)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(batch.mask, np.tile(np.arange(20) >= max(lags), (50, 1)))
    np.testing.assert_array_equal(batch.x.sum(axis=-1), 1)
    np.testing.assert_array_equal(batch.y.sum(axis=-1), 1)


def test_the_drawn_targets_of_the_add_task_have_its_probabilities():
    first, second, y = pasts(samples(tasks.AddTask(length=40)), 3, 8)
    for past, expected in PROBABILITY.items():
        seen = y[(first == past[0]) & (second == past[1])]
        assert set(np.unique(seen)) <= {0.0, 1.0}
        error = np.sqrt(expected * (1 - expected) / len(seen))
        np.testing.assert_allclose(seen.mean(), expected, atol=4 * error)
        np.testing.assert_allclose(len(seen) / y.size, 0.25, atol=0.01)


def test_the_plateaus_are_the_published_ones():
    found = add_task.plateaus()
    published = (0.6615632381579821, 0.5191666997072094, 0.4544543674493905)
    np.testing.assert_allclose(found, published, rtol=1e-15)


def test_the_plateaus_are_what_the_best_answers_cost_whatever_the_lags():
    for lags in ((3, 8), (2, 1)):
        batch = samples(tasks.AddTask(*lags, length=200, drawn=False), 400)
        first, second, y = (a.ravel() for a in pasts(batch, *lags))
        nothing = np.zeros_like(first)
        for known, plateau in zip(
            (nothing, first, 2 * first + second), add_task.plateaus(), strict=True
        ):
            best = np.bincount(known, y) / np.bincount(known)
            costs = np.bincount(known) @ np.array([add_task.entropy(p) for p in best])
            np.testing.assert_allclose(costs / len(y), plateau, atol=2e-3)


def test_no_answer_costs_less_than_the_last_plateau_on_exact_targets():
    """The Kullback-Leibler divergence is not negative: equality for the law itself."""
    task = tasks.AddTask(length=300, drawn=False)
    batch = samples(task, 100)
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(batch.y), -60)
    best = jax.jit(jax.vmap(jax.vmap(task.loss)))(jnp.asarray(logits), batch.y)
    entropies = np.vectorize(add_task.entropy)(batch.y[..., 1])
    np.testing.assert_allclose(best, entropies, atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lag_1": 0}, "lag_1: expected a whole number of at least 1, got 0"),
        ({"lag_1": 8}, "lag_2: expected a lag other than lag_1 = 8, got 8"),
        ({"length": 8}, "length: expected at least 9 steps"),
    ],
)
def test_an_add_task_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        tasks.AddTask(**fields)


def test_copy_shows_its_items_and_wants_them_back_behind_go():
    batch = samples(tasks.Copy(n_symbols=4, n_items=3, delay=5))
    x, y = batch.x.argmax(axis=-1), batch.y.argmax(axis=-1)
    assert x.shape == (N, 3 + 5 + 3) and batch.x.shape[2] == 6 and batch.y.shape[2] == 5
    np.testing.assert_array_equal(x[:, 3:], np.tile([4, 4, 4, 4, 5, 4, 4, 4], (N, 1)))
    np.testing.assert_array_equal(y[:, :8], 4)
    np.testing.assert_array_equal(y[:, 8:], x[:, :3])
    np.testing.assert_array_equal(batch.mask, 1)
    # 4^3 words, each as often as the others.
    words = np.bincount(x[:, :3] @ [16, 4, 1], minlength=64)
    assert len(words) == 64 and np.all(np.abs(words - N / 64) < 5 * np.sqrt(N / 64))


def test_the_answer_of_copy_alone_may_count():
    task = tasks.Copy(n_symbols=4, n_items=3, delay=5, blanks=False)
    np.testing.assert_array_equal(samples(task, 1).mask[0], [0] * 8 + [1] * 3)
    assert task.floor == np.log(4)


@pytest.mark.parametrize("blanks", [True, False])
def test_a_traced_delay_is_the_same_task_in_longer_sequences(blanks):
    fields = {"n_symbols": 4, "n_items": 3, "blanks": blanks}
    longer = jax.jit(lambda delay, key: tasks.Copy(delay=delay, longest=7, **fields).sample(key))
    key = jax.random.key(3)
    for delay in (1, 4, 7):
        plain = jax.jit(tasks.Copy(delay=delay, **fields).sample)(key)
        traced, n = longer(delay, key), delay + 6
        for name in ("x", "y", "mask"):
            np.testing.assert_array_equal(getattr(traced, name)[:n], getattr(plain, name))
        np.testing.assert_array_equal(traced.mask[n:], 0)
        np.testing.assert_array_equal(traced.x[n:].argmax(axis=1), 4)


@pytest.mark.parametrize("blanks", [True, False])
def test_the_floor_of_copy_is_the_loss_of_blanks_and_guesses(blanks):
    task = tasks.Copy(n_symbols=4, n_items=3, delay=5, blanks=blanks)
    batch = jax.tree.map(lambda a: a[0], samples(task, 2))
    sure_of_blank = np.array([-60.0] * 4 + [0.0])
    guess = np.array([0.0] * 4 + [-60.0])
    answers = np.where(np.arange(11)[:, None] < 8, sure_of_blank, guess)
    losses = jax.jit(jax.vmap(task.loss))(answers, batch.y)
    np.testing.assert_allclose(batch.mask @ losses / batch.mask.sum(), task.floor, rtol=1e-12)


def test_the_floor_of_copy_is_that_of_the_paper():
    np.testing.assert_allclose(tasks.Copy(delay=100).floor, 10 * np.log(8) / 120, rtol=1e-15)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_symbols": 0}, "n_symbols: expected a whole number of at least 1, got 0"),
        ({"delay": 0}, "delay: expected a whole number of at least 1, got 0"),
        ({"delay": 9, "longest": 8}, "delay: expected a whole number from 1 to 8, got 9"),
    ],
)
def test_a_copy_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        tasks.Copy(**fields)


@pytest.mark.parametrize("number", [np.int64, jnp.asarray])
def test_a_delay_that_is_known_needs_no_longest_one(number):
    assert tasks.Copy(delay=number(3)).length == tasks.Copy(delay=3).length


def test_a_traced_delay_asks_for_the_longest_one():
    with pytest.raises(ValueError, match="longest: expected the longest delay"):
        jax.jit(lambda delay: tasks.Copy(delay=delay).sample(jax.random.key(0)))(3)


def test_delayed_xor_asks_whether_two_bits_far_apart_differ():
    batch = samples(tasks.DelayedXOR(delay=2, distance=4))
    x = batch.x[..., 0]
    assert x.shape == (N, 7)
    np.testing.assert_array_equal(np.abs(x), np.tile([1, 0, 0, 0, 1, 0, 0], (N, 1)))
    np.testing.assert_array_equal(batch.y[:, -1, 1], x[:, 0] != x[:, 4])
    np.testing.assert_array_equal(batch.mask, np.tile([0] * 6 + [1], (N, 1)))
    counts = np.unique(x[:, [0, 4]], axis=0, return_counts=True)[1]
    assert len(counts) == 4 and np.all(np.abs(counts - N / 4) < 5 * np.sqrt(N * 3 / 16))


def test_delayed_xor_without_a_wait_is_answered_with_the_second_bit():
    batch = samples(tasks.DelayedXOR(delay=0, distance=3), 1)
    assert batch.x.shape == (1, 4, 1) and np.abs(batch.x[0, -1, 0]) == batch.mask[0, -1] == 1


def test_an_uninformed_answer_to_delayed_xor_costs_ln_2():
    loss = tasks.DelayedXOR().loss(jnp.zeros(2), jnp.eye(2)[0])
    np.testing.assert_allclose(loss, delayed_xor.CHANCE, rtol=1e-15)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"delay": -1}, "delay: expected a whole number of at least 0, got -1"),
        ({"distance": 0}, "distance: expected a whole number of at least 1, got 0"),
    ],
)
def test_a_delayed_xor_that_cannot_be_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        tasks.DelayedXOR(**fields)


def test_temporal_xor_asks_at_every_step_behind_two_delays():
    batch = samples(tasks.TemporalXOR(delay=3, length=11))
    bits = batch.x[..., 0]
    assert set(np.unique(bits)) == {0.0, 1.0} and bits.shape == (N, 11)
    np.testing.assert_array_equal(batch.mask, np.tile([0] * 6 + [1] * 5, (N, 1)))
    np.testing.assert_array_equal(batch.y[:, 6:, 0], bits[:, 3:8] != bits[:, :5])
    assert abs(batch.y[:, 6:].mean() - 0.5) < 5 * 0.5 / np.sqrt(5 * N)


def test_temporal_xor_takes_a_traced_delay():
    key = jax.random.key(1)
    traced = jax.jit(lambda delay: tasks.TemporalXOR(delay, 9).sample(key))(2)
    fixed = jax.jit(tasks.TemporalXOR(2, 9).sample)(key)
    jax.tree.map(np.testing.assert_array_equal, traced, fixed)


def test_the_loss_of_temporal_xor_is_that_of_two_classes():
    task = tasks.TemporalXOR()
    logit = jnp.array([0.7])
    for y in (0.0, 1.0):
        two = tasks.DelayedXOR().loss(jnp.array([0.0, 0.7]), jnp.array([1 - y, y]))
        np.testing.assert_allclose(task.loss(logit, jnp.array([y])), two, rtol=1e-14)
    np.testing.assert_allclose(task.loss(0 * logit, jnp.ones(1)), temporal_xor.CHANCE, rtol=1e-15)


def test_answers_of_temporal_xor_count_where_they_are_due():
    batch = samples(tasks.TemporalXOR(delay=3, length=11))
    share = tasks.TemporalXOR.share_right
    assert share(batch.y - 0.5, batch) == 1 and share(0.5 - batch.y, batch) == 0
    # Before the first 2 d steps nothing is asked.
    early = jnp.where(batch.mask[..., None] > 0, batch.y - 0.5, jnp.nan)
    assert share(early, batch) == 1


def test_temporal_xor_without_answers_has_the_same_inputs():
    bits = jax.random.bernoulli(jax.random.key(1), shape=(3, 9))
    batch = temporal_xor.without_answers(bits)
    np.testing.assert_array_equal(batch.x, jax.vmap(tasks.TemporalXOR(2, 9).sequence)(bits).x)
    assert not np.any(batch.y) and np.all(batch.mask)


@pytest.mark.parametrize(("delay", "range_"), [(0, "of at least 1"), (5, "from 1 to 4")])
def test_a_temporal_xor_that_cannot_be_is_refused(delay, range_):
    with pytest.raises(ValueError, match=f"delay: expected a whole number {range_}, got {delay}"):
        tasks.TemporalXOR(delay, length=10)


@pytest.mark.parametrize(
    ("bits", "got"), [([0, 1, 1], r"\(3,\)"), ([0, 2, 0, 1, 1], "2"), ([0, np.nan, 0, 1, 1], "nan")]
)
def test_inputs_of_temporal_xor_that_are_no_bits_are_refused(bits, got):
    with pytest.raises(ValueError, match=f"^bits: expected .*, got {got}"):
        tasks.TemporalXOR(2, 5).sequence(bits)


def test_the_loss_of_temporal_xor_keeps_its_digits_where_the_answer_is_certain():
    loss = jax.value_and_grad(tasks.TemporalXOR().loss)
    for logit, answer in ((30.0, 1.0), (-30.0, 0.0)):
        value, slope = loss(jnp.full(1, logit, jnp.float32), jnp.full(1, answer, jnp.float32))
        np.testing.assert_allclose(value, np.log1p(np.exp(-30)), rtol=1e-6)
        np.testing.assert_allclose(slope, (0.5 - answer) * 2 / (1 + np.exp(30)), rtol=1e-6)
    with pytest.raises(ValueError, match=r"^y: expected the shape of y_hat"):
        tasks.TemporalXOR().loss(jnp.zeros(2), jnp.zeros(1))
